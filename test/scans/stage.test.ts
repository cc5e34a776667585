import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../pipeline/clock.ts';
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import { configSchema } from '../../pipeline/config/schema.ts';
import { createMemoryJournal } from '../../pipeline/journal/memory.ts';
import { releaseDirectory } from '../../pipeline/journal/releases.ts';
import { sha256 } from '../../pipeline/json.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { runCommand } from '../../pipeline/rollout/services/command.ts';
import { httpRequest } from '../../pipeline/rollout/services/http.ts';
import type { ReleaseContext } from '../../pipeline/stages/context.ts';
import { scan } from '../../pipeline/stages/scan.ts';
import { imageRecord } from '../image-record.ts';

const clock: Clock = { now: () => Date.UTC(2026, 10, 22), sleep: async () => {} };
const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

let directory: string;
let path: string | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
  path = process.env.PATH;
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(directory, { recursive: true });
});

/** A release on AWS that has built an AMI, on a machine whose Packer gives `archive` for the instance's answer. */
async function releaseWith(archive: string): Promise<ReleaseContext> {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const packer = `#!/bin/sh
case $1 in version) echo 'Packer v1.15.0'; exit ;; init) exit ;; esac
for word; do
  case $word in archive=*) archive=\${word#archive=} ;; image=ami-1) image=yes ;; esac
done
[ "\${image:-}" = yes ] && tar -czf "$archive" -C '${archive}' .
`;
  writeFileSync(join(bin, 'packer'), packer);
  chmodSync(join(bin, 'packer'), 0o755);
  process.env.PATH = `${bin}:${path}`;

  const waves = [{ name: 'all', groups: ['web'] }];
  const config = configSchema.parse({
    version: 1,
    cloud: 'aws',
    image: {
      name: 'base',
      distribution: 'amazon-linux-2023',
      builder: 'amazon-ebs',
      amazon: { instance_profile: 'drover-build' },
      policies: join(root, 'scans/policies.yaml'),
    },
    fleet: { staging: { waves }, production: { waves } },
  });
  const journal = createMemoryJournal('r-1', clock);
  const image = imageRecord({ distribution: 'amazon-linux-2023', builder: 'amazon-ebs' });
  await journal.append({
    type: 'release.opened',
    data: {
      release: 'r-1',
      droverVersion: '0',
      actor: 'test',
      reason: 'test',
      emergency: false,
      cloud: { provider: 'aws', region: config.region, endpoint: null },
      config: {},
      configSha256: sha256(''),
    },
  });
  await journal.append({ type: 'image.built', data: image });

  const hardened = join(releaseDirectory(directory, 'r-1'), 'image');
  mkdirSync(hardened, { recursive: true });
  const file = join(fixtures, 'data-stream.xml');
  const waiver = {
    rule: 'sshd_limit_user_access',
    owner: 'platform',
    reason: 'who may log in is decided at launch',
    expires: '2027-01-01',
  };
  writeFileSync(join(hardened, 'tailoring.xml'), '<nothing/>');
  writeFileSync(
    join(hardened, 'hardening.json'),
    JSON.stringify({
      content: { package: 'x', version: '1', file, sha256: sha256(readFileSync(file)) },
      tailoring: { profileId: 'p', waivers: [waiver], sha256: sha256('<nothing/>') },
    }),
  );
  return {
    config,
    root,
    stateDirectory: directory,
    cacheDirectory: join(directory, 'cache'),
    journal,
    cloud: {} as Cloud,
    http: httpRequest,
    runCommand,
    clock,
    progress: silent,
    signal: new AbortController().signal,
    emergency: false,
    actor: 'test',
    reason: 'test',
  };
}

const verdictsOf = ({ journal }: ReleaseContext) =>
  journal.records().flatMap((record) => (record.type === 'verdict' ? [record.data] : []));

/** The recorded answer of a Debian VM, with a package state as Amazon Linux gives it. */
function answer(): string {
  const archive = join(directory, 'archive');
  cpSync(join(fixtures, 'instance'), archive, { recursive: true });
  const said = {
    rpm: 'bash\t(none)\t5.2.15-1.amzn2023.0.2\tx86_64\tbash-5.2.15-1.amzn2023.0.2.src.rpm\tGPLv3+\tAmazon Linux\t(none)\tA shell\n',
    'dnf-updates': '',
    'dnf-cves': '',
    setuid: '',
    'dnf-all': 'ALAS2023-2023-070 Medium/Sec. bash-5.2.15-1.amzn2023.0.2.x86_64\n',
  };
  for (const [name, text] of Object.entries(said)) {
    writeFileSync(join(archive, 'state', name), text);
    writeFileSync(join(archive, 'state', `${name}.exit`), '0\n');
    writeFileSync(join(archive, 'state', `${name}.err`), '');
  }
  return archive;
}

test('an image that is only in the cloud passes by what an instance of it says', async () => {
  const context = await releaseWith(answer());
  await scan(context);
  expect(verdictsOf(context).map(({ check, status, imageId }) => `${imageId} ${check} ${status}`)).toEqual([
    'ami-1 compliance passed',
    'ami-1 updates passed',
    'ami-1 sbom passed',
    'ami-1 vulnerabilities passed',
    'ami-1 contents passed',
    'ami-1 boot passed',
    'ami-1 leftovers passed',
    'ami-1 policy passed',
  ]);
});

test('an image of which no instance could be looked at does not pass, and every check says so', async () => {
  const context = await releaseWith(join(directory, 'nowhere'));
  await expect(scan(context)).rejects.toMatchObject({ kind: 'gate' });
  const verdicts = verdictsOf(context);
  expect(verdicts.map(({ status }) => status)).toEqual(Array(8).fill('failed'));
  expect(verdicts[0]?.reasons[0]).toMatch(
    'no instance of the image could be looked at: Packer 1.15.0 failed',
  );
});
