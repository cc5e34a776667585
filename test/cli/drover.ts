/** Runs the command line as its user does: as a child process, in a directory of its own, with its own state. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { wallClock } from '../../pipeline/clock.ts';
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';
import { parseConfig } from '../../pipeline/config/load.ts';
import { createJournal, readJournal } from '../../pipeline/journal/directory.ts';
import { foldRelease } from '../../pipeline/journal/fold.ts';
import type { Entry, JournalRecord } from '../../pipeline/journal/records.ts';
import { journalFile, releaseDirectory } from '../../pipeline/journal/releases.ts';
import type { ReleaseState } from '../../pipeline/journal/state.ts';
import { canonical, type JsonObject, sha256 } from '../../pipeline/json.ts';
import { openSimulator } from '../../pipeline/simulator/host.ts';
import { worldFrom } from '../../pipeline/simulator/world.ts';
import { imageRecord } from '../image-record.ts';

const cli = fileURLToPath(new URL('../../pipeline/cli.ts', import.meta.url));

/** Small and quick, and otherwise what ships. */
export const quickConfig = `
version: 1
image: { name: base }
fleet:
  staging: { waves: [{ name: staging, groups: [web-staging] }] }
  production: { waves: [{ name: first, groups: [web-a] }, { name: rest, groups: [web-b] }] }
bake: { soak: 1s }
rollout: { surge: 100%, passes: 2, gate_deadline: 20s, soak: 2s, deadline: 5m }
simulator:
  boot: 1s
  warm_up: 1s
  drain: 1s
  terminate: 1s
  groups: { web-staging: { desired: 1 }, web-a: { desired: 2 }, web-b: { desired: 2 } }
`;

export interface Sandbox {
  directory: string;
  state: string;
  drover(...argv: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>;
  /** The same, without waiting for it. */
  start(...argv: string[]): ReturnType<typeof start>;
  /** The groups as the simulated account has them. */
  groups(): Promise<
    {
      name: string;
      desired: number;
      min: number;
      max: number;
      version: string | undefined;
      images: (string | null)[];
      suspended: string[];
      tags: Record<string, string>;
    }[]
  >;
  records(release: string): Promise<JournalRecord[]>;
  release(release: string): Promise<ReleaseState>;
  remove(): void;
}

function start(directory: string, env: Record<string, string>, argv: string[]) {
  return execa(process.execPath, [cli, ...argv], {
    cwd: directory,
    env: { CI: 'true', ...env },
    reject: false,
    stdin: 'ignore',
  });
}

export function sandbox(config: string = quickConfig, env: Record<string, string> = {}): Sandbox {
  const directory = mkdtempSync(join(tmpdir(), 'drover-cli-'));
  const state = join(directory, 'state');
  const places = { XDG_STATE_HOME: join(directory, 'xdg'), XDG_CACHE_HOME: join(directory, 'cache'), ...env };
  writeFileSync(join(directory, 'drover.yaml'), config);
  const records = (release: string) => readJournal(journalFile(state, release));
  return {
    directory,
    state,
    start: (...argv) => start(directory, places, ['--state', state, ...argv]),
    async drover(...argv) {
      const { exitCode, stdout, stderr } = await start(directory, places, ['--state', state, ...argv]);
      return { exitCode: exitCode ?? -1, stdout, stderr };
    },
    async groups() {
      const config = parseConfig(readFileSync(join(directory, 'drover.yaml'), 'utf8'), 'drover.yaml');
      const place = join(state, 'simulator');
      const simulator = await openSimulator({ directory: place, world: worldFrom(config), clock: wallClock });
      try {
        const cloud = simulated(simulator.endpoint);
        const names = ['web-staging', 'web-a', 'web-b'];
        return (await cloud.observe(names, 0)).map((group) => ({
          name: group.name,
          desired: group.desired,
          min: group.min,
          max: group.max,
          version: group.template?.version,
          images: group.instances.map((instance) => instance.imageId),
          suspended: group.suspendedProcesses,
          tags: group.tags,
        }));
      } finally {
        await simulator.close();
      }
    },
    records,
    release: async (release) => foldRelease(await records(release)),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

const simulated = (endpoint: string) =>
  createAwsCloud({
    provider: 'simulator',
    region: 'eu-central-1',
    endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });

/**
 * A release as `build` and `scan` leave it, without Packer and QEMU: its journal holds an image the simulated
 * account knows and a judge's yes, so that bake and rollout can be run for real. @returns its id
 */
export async function scannedRelease(
  box: Sandbox,
  release = 'r-20261122-000000-test',
  elsewhere: { region?: string; account?: string } = {},
): Promise<string> {
  const config = parseConfig(readFileSync(join(box.directory, 'drover.yaml'), 'utf8'), 'drover.yaml');
  const place = join(box.state, 'simulator');
  mkdirSync(box.state, { recursive: true });
  const simulator = await openSimulator({ directory: place, world: worldFrom(config), clock: wallClock });
  const name = `drover-base-${release}`;
  const id = await simulated(simulator.endpoint).registerImage({ name, description: 'test', tags: {} });
  await simulator.close();

  const json = config as unknown as JsonObject;
  const image = imageRecord({ id, name, release, builtAt: new Date().toISOString() });
  const passed = (stage: 'resolve' | 'build' | 'scan'): Entry[] => [
    { type: 'stage.started', data: { stage } },
    {
      type: 'stage.finished',
      data: { stage, outcome: 'passed', durationMs: 1, summary: 'test', artifacts: [] },
    },
  ];
  const entries: Entry[] = [
    {
      type: 'release.opened',
      data: {
        release,
        droverVersion: '0.0.0',
        actor: 'test',
        reason: 'test',
        emergency: false,
        cloud: { provider: 'simulator', region: 'eu-central-1', endpoint: null, ...elsewhere },
        config: json,
        configSha256: sha256(canonical(json)),
      },
    },
    ...passed('resolve'),
    ...passed('build'),
    { type: 'image.built', data: image },
    {
      type: 'verdict',
      data: {
        imageId: id,
        check: 'policy',
        status: 'passed',
        reasons: ['test'],
        facts: {},
        artifacts: [],
        at: new Date().toISOString(),
      },
    },
    ...passed('scan'),
  ];
  const directory = releaseDirectory(box.state, release);
  const journal = await createJournal({ directory, release, clock: wallClock });
  for (const entry of entries) await journal.append(entry);
  await journal.close();
  return release;
}
