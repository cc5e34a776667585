import { chmodSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { provisioners } from '../../packer/build.ts';
import {
  assembleTemplate,
  isBefore,
  packerRoom,
  packerVersion,
  parseLine,
  runPacker,
} from '../../packer/packer.ts';
import { Failed, Refused } from '../../pipeline/errors.ts';
import type { Progress } from '../../pipeline/report/progress.ts';

/** A program that answers as Packer 1.6.6 does: `packer version`, then whatever `build` shall say and do. */
function standIn(build: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'packer-')), 'packer');
  writeFileSync(file, `#!/bin/sh\nif [ "$1" = version ]; then echo 'Packer v1.6.6'; exit; fi\n${build}\n`);
  chmodSync(file, 0o755);
  return file;
}

function run(binary: string, signal?: AbortSignal) {
  const directory = mkdtempSync(join(tmpdir(), 'packer-run-'));
  const updates: string[] = [];
  const notes: string[] = [];
  const progress: Progress = {
    step: (_title, work) => work(progress),
    update: (it) => updates.push(it),
    note: (it) => notes.push(it),
  };
  const logFile = join(directory, 'packer.log');
  const result = packerVersion(binary).then((version) =>
    runPacker({
      binary,
      version,
      only: 'null.chroot',
      variables: { disk: 'd' },
      directory,
      logFile,
      progress,
      signal,
    }),
  );
  return { result, updates, notes, logFile };
}

describe('running Packer', () => {
  it('shows what matters of what Packer says, logs all of it and returns the artifact', async () => {
    const { result, updates, notes, logFile } = run(
      standIn(`echo '1,,ui,say,==> null.chroot: Waiting for SSH%!(PACKER_COMMA) at last'
echo '1,,ui,message,    null.chroot: Get:1 something\\\\nhardening: 3 changes'
echo '1,amazon-ebs,artifact,0,id,eu-central-1:ami-123'`),
    );
    expect(await result).toBe('eu-central-1:ami-123');
    expect(updates).toEqual(['Waiting for SSH, at last']);
    expect(notes).toEqual(['hardening: 3 changes']);
    expect(readFileSync(logFile, 'utf8')).toBe(
      'Waiting for SSH, at last\nGet:1 something\nhardening: 3 changes\n',
    );
  });

  it('fails with the last lines of the provisioner and the path of the log', async () => {
    const { result, logFile } = run(
      standIn(`for i in $(seq 30); do echo "1,,ui,message,    null.chroot: line $i."; done
echo "1,,ui,error,Build 'null.chroot' errored after 1 second: exit status 7"
echo '1,,ui,say,==> Wait completed'
exit 1`),
    );
    const error = await result.catch((it) => it);
    expect(error).toBeInstanceOf(Failed);
    expect(error.kind).toBe('gate');
    expect(error.message).toContain('line 30.');
    expect(error.message).toContain('exit status 7');
    expect(error.message).not.toContain('line 5.');
    expect(error.message).not.toContain('Wait completed');
    expect(error.remedy).toContain(logFile);
  });

  it('interrupts Packer, lets it clean up, and ends with the reason', async () => {
    const controller = new AbortController();
    const { result, logFile } = run(
      standIn(`trap 'echo 1,,ui,say,cleaned; kill $child; exit 1' INT
sleep 30 & child=$!
echo 1,,ui,say,started
wait`),
      controller.signal,
    );
    const ended = result.catch((it) => it);
    await expect.poll(() => readIfThere(logFile)).toContain('started');
    controller.abort(new Error('enough'));
    expect(await ended).toEqual(new Error('enough'));
    expect(readFileSync(logFile, 'utf8')).toContain('cleaned');
  });

  it('refuses to build without Packer and says how to get it', async () => {
    const error = await run('/nowhere/packer').result.catch((it) => it);
    expect(error).toBeInstanceOf(Refused);
    expect(error.kind).toBe('environment');
    expect(error.remedy).toContain('drover doctor --install');
  });

  it.each([
    { text: '1.6.6', bundlesPlugins: true, only: 'amazon-ebs.instance', plugins: [] },
    { text: '1.15.0', bundlesPlugins: false, only: 'null.chroot', plugins: [] },
    { text: '1.15.0', bundlesPlugins: false, only: 'qemu.vm', plugins: ['plugins-qemu.pkr.hcl'] },
    {
      text: '1.15.0',
      bundlesPlugins: false,
      only: 'amazon-ebs.instance',
      plugins: ['plugins-amazon-ebs.pkr.hcl'],
    },
  ])('gives Packer $text the source $only alone, with its plugin unless that is built in', async (it) => {
    const directory = mkdtempSync(join(tmpdir(), 'template-'));
    await assembleTemplate(directory, it, it.only);
    const names = readdirSync(directory);
    expect(names.filter((name) => name.startsWith('plugins'))).toEqual(it.plugins);
    const build = readFileSync(join(directory, 'build.pkr.hcl'), 'utf8');
    expect(build.match(/"source\.[^"]+"/g)).toEqual([`"source.${it.only}"`]);
  });
});

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

describe("reading Packer's lines", () => {
  it('undoes its escapes', () => {
    expect(parseLine('17,null.chroot,artifact,0,string,a%!(PACKER_COMMA)b\\nc')).toEqual({
      target: 'null.chroot',
      type: 'artifact',
      data: ['0', 'string', 'a,b\nc'],
    });
  });
  it('takes what is not machine-readable for what it is', () => {
    expect(parseLine('Error: no such template')).toBeUndefined();
  });
  it('compares versions by number', () => {
    expect(isBefore('1.6.6', [1, 7])).toBe(true);
    expect(isBefore('1.7.0', [1, 7])).toBe(false);
    expect(isBefore('1.15.1', [1, 7])).toBe(false);
    expect(isBefore('1.11.0', [1, 11])).toBe(false);
  });
});

describe('the template', () => {
  const template = readFileSync(join(packerRoom, 'template/build.pkr.hcl'), 'utf8');
  const scripts = (text: string) => [...text.matchAll(/provisioners\/(\w+\.sh)/g)].map(([, name]) => name);
  const expected = provisioners.filter((it) => it !== 'environment.sh');

  it('runs the same provisioners in the same order on a booted machine and on a mounted disk', () => {
    const [booted, mounted] = template.split('# A disk that is not booted');
    expect(scripts(booted!)).toEqual(expected);
    expect(scripts(mounted!)).toEqual(expected);
  });

  it('takes no image that could be reached without IMDSv2, unencrypted, or over public SSH', () => {
    const amazon = readFileSync(join(packerRoom, 'template/amazon-ebs.pkr.hcl'), 'utf8');
    for (const setting of [
      /imds_support\s+= "v2.0"/,
      /http_tokens\s+= "required"/,
      /encrypted\s+= true/,
      /ssh_interface\s+= "session_manager"/,
    ]) {
      expect(amazon).toMatch(setting);
    }
  });
});
