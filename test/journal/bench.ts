/** What the journal's tests share: a clock moved by hand, a scratch directory, and small valid entries. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../pipeline/clock.ts';
import type { Entry, GroupBaseline } from '../../pipeline/journal/records.ts';
import { sha256 } from '../../pipeline/json.ts';

export interface ManualClock extends Clock {
  advance(ms: number): void;
}

/** Starts on 2026-11-22T06:34:12Z. Sleeping moves it on at once. */
export function manualClock(startMs = Date.UTC(2026, 10, 22, 6, 34, 12)): ManualClock {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      nowMs += ms;
    },
  };
}

/** Removed when the test ends. */
export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const opened = (release: string): Entry => ({
  type: 'release.opened',
  data: {
    release,
    droverVersion: '0.1.0',
    actor: 'test',
    reason: 'a test',
    emergency: false,
    cloud: { provider: 'simulator', region: 'eu-central-1', endpoint: null },
    config: {},
    configSha256: sha256('{}'),
  },
});

export const started = (stage: 'resolve' | 'build' | 'scan' | 'bake' | 'rollout' | 'evidence'): Entry => ({
  type: 'stage.started',
  data: { stage },
});

export const note = (text: string): Entry => ({
  type: 'release.resumed',
  data: { actor: 'test', reason: text },
});

export const intent = (key: string, group = 'web'): Entry => ({
  type: 'intent',
  data: { key, group, action: 'terminateInstance', arguments: { instance: 'i-1' }, why: 'a test' },
});

/** Of group 'web', two instances of which both serve. */
export const baseline = (resolvedVersion: number): Entry => {
  const data: GroupBaseline = {
    group: 'web',
    desired: 2,
    min: 1,
    max: 4,
    templateId: 'lt-1',
    templateName: 'web',
    templateVersion: String(resolvedVersion),
    resolvedVersion,
    imageId: 'ami-1',
    suspendedProcesses: [],
    instances: ['i-1', 'i-2'].map((id) => ({
      id,
      version: resolvedVersion,
      zone: 'eu-central-1a',
      lifecycle: 'InService',
      healthy: true,
    })),
  };
  return { type: 'group.baseline', data };
};
