import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectMachine, type Machine } from '../../packer/inspect.ts';
import { assembleTemplate } from '../../packer/packer.ts';
import { Failed, Refused } from '../../pipeline/errors.ts';
import { silent } from '../../pipeline/report/progress.ts';

const reachable: Machine = {
  source: 'null.machine',
  host: '127.0.0.1',
  port: 2222,
  user: 'u',
  keyPath: '/k',
};
const ami: Machine = {
  source: 'amazon-ebs.throwaway',
  image: 'ami-0123456789abcdef0',
  distribution: 'debian-12',
  region: 'eu-central-1',
  amazon: { instance_type: 't3.small', share_with: [], subnet: 'subnet-1', instance_profile: 'packer-ssm' },
  release: 'r-1',
};

/** A program that answers as Packer of that version does, writes down how it was called, then does `build`. */
function inspectWith(version: string, machine: Machine, build: string) {
  const directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
  const binary = join(directory, 'packer');
  writeFileSync(
    binary,
    `#!/bin/sh
case $1 in version) echo 'Packer v${version}'; exit ;; init) exit ;; esac
printf '%s\\n' "$@" >'${directory}/called'
archive='${directory}/result.tar.gz'
${build}
`,
  );
  chmodSync(binary, 0o755);
  const result = inspectMachine({
    machine,
    inputs: '/in',
    archivePath: join(directory, 'result.tar.gz'),
    logFile: join(directory, 'log/inspect.log'),
    progress: silent,
    packerBinary: binary,
  });
  const called = () => readFileSync(join(directory, 'called'), 'utf8').split('\n');
  return { result, called, directory };
}

describe('inspecting an image', () => {
  it('hands an instance of the AMI to Packer where the build instance was', async () => {
    const { result, called, directory } = inspectWith('1.15.0', ami, 'echo x >"$archive"');
    await result;
    expect(called()).toEqual(
      expect.arrayContaining([
        '-only=amazon-ebs.throwaway',
        '-on-error=cleanup',
        'image=ami-0123456789abcdef0',
        'region=eu-central-1',
        'subnet=subnet-1',
        'instance_profile=packer-ssm',
        'release=r-1',
        'inputs=/in',
      ]),
    );
    expect(called().join()).not.toMatch(/security_group|kms_key|undefined/);
    expect(readdirSync(join(directory, 'log'))).toEqual(['inspect.log']);
  });
  it('reaches a machine that runs already by SSH, with the Packer of Debian too', async () => {
    const { result, called } = inspectWith('1.6.6', reachable, 'echo x >"$archive"');
    await result;
    expect(called()).toEqual(
      expect.arrayContaining(['-only=null.machine', 'port=2222', 'ssh_private_key_file=/k']),
    );
  });
  it('refuses, before anything is launched, a Packer that would make an image of the instance', async () => {
    const { result, directory } = inspectWith('1.6.6', ami, '');
    await expect(result).rejects.toBeInstanceOf(Refused);
    expect(existsSync(join(directory, 'called'))).toBe(false);
  });
  it.each([
    ['Packer fails', 'exit 1'],
    ['there is no archive', ''],
    ['the archive is empty', ': >"$archive"'],
  ])('fails when %s', async (_title, build) => {
    await expect(inspectWith('1.15.0', ami, build).result).rejects.toBeInstanceOf(Failed);
  });
});

describe('the template of an inspection', () => {
  const assembled = async (only: string, bundlesPlugins: boolean) => {
    const directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    await assembleTemplate(directory, { text: 'any', bundlesPlugins }, only, 'inspect');
    return {
      files: readdirSync(directory).sort(),
      build: readFileSync(join(directory, 'build.pkr.hcl'), 'utf8'),
      directory,
    };
  };
  it('lists the one source and, for current Packer, its plugin', async () => {
    const { files, build } = await assembled('amazon-ebs.throwaway', false);
    expect(files).toEqual([
      'amazon-ebs.pkr.hcl',
      'build.pkr.hcl',
      'plugins-amazon-ebs.pkr.hcl',
      'variables.pkr.hcl',
    ]);
    expect(build).toContain('"source.amazon-ebs.throwaway"');
    expect(build).not.toContain('source.null');
    expect((await assembled('null.machine', true)).files).not.toContain('plugins-amazon-ebs.pkr.hcl');
  });
  it('makes no image, and asks for an encrypted instance with IMDSv2 and without public SSH', async () => {
    const { directory } = await assembled('amazon-ebs.throwaway', false);
    const source = readFileSync(join(directory, 'amazon-ebs.pkr.hcl'), 'utf8');
    for (const setting of [
      /skip_create_ami += true/,
      /ssh_interface += "session_manager"/,
      /http_tokens += "required"/,
      /encrypted += true/,
      /delete_on_termination = true/,
      /run_tags +=/,
    ]) {
      expect(source).toMatch(setting);
    }
    expect(source).not.toMatch(/user_data/);
  });
});
