import { expect, test } from 'vitest';
import { leastMs, pacingOf } from '../../pipeline/rollout/pacing.ts';
import { defaultSpec } from './fleet.ts';
import { group, previous } from './group.ts';

const times = { launchesMs: [50_000, 900_000, 40_000], drainMs: 120_000, healthyMs: 150_000 };
const seen = group(previous(2));

test('of several launches the usual one counts, and the slowest check decides when an instance is ready', () => {
  expect(pacingOf(defaultSpec('web'), seen, times)).toEqual({
    launchMs: 50_000,
    readyMs: 150_000,
    drainMs: 120_000,
    warmUpMs: null,
    assumed: [
      'status checks pass 120 s after the launch',
      'every drain takes the whole deregistration delay',
    ],
  });
});

test('what cannot be measured is assumed, and said', () => {
  const { launchMs, readyMs, drainMs, assumed } = pacingOf(
    {
      ...defaultSpec('web'),
      gates: [{ type: 'command', name: 'smoke', argv: ['true'], timeoutMs: 1_000 }],
      drain: [{ type: 'command', name: 'queue', argv: ['true'], deadlineMs: 1, on_deadline: 'fail' }],
    },
    { ...seen, targetGroups: [] },
    { launchesMs: [], drainMs: 0, healthyMs: 0 },
  );
  expect({ launchMs, readyMs, drainMs }).toEqual({ launchMs: 60_000, readyMs: 0, drainMs: 0 });
  expect(assumed).toEqual([
    expect.stringMatching(/a launch takes 60 s/),
    expect.stringMatching(/command: pass at once/),
    expect.stringMatching(/command: drained at once/),
  ]);
});

test('what a person knows better is taken instead, and no longer assumed', () => {
  const given = { launchMs: 1_000, readyMs: 2_000, drainMs: 3_000 };
  expect(pacingOf(defaultSpec('web'), seen, times, given)).toEqual({
    ...given,
    warmUpMs: null,
    assumed: [],
  });
});

test('the least time counts how often the limits make a group wait', () => {
  const pacing = { launchMs: 60_000, readyMs: 30_000, drainMs: 10_000, warmUpMs: null, assumed: [] };
  expect(leastMs(pacing, 10, 1)).toBe(1_000_000);
  expect(leastMs(pacing, 10, 4)).toBe(300_000);
  expect(leastMs(pacing, 0, 4)).toBe(0);
});

test('an instance refresh waits after each for the default instance warmup, or without one for the grace period', () => {
  const strategy = { type: 'instance-refresh' as const, checkpoints: [], checkpointSoakMs: 0 };
  const paceOf = (warmUpMs: number | null) =>
    pacingOf({ ...defaultSpec('web'), strategy }, { ...seen, warmUpMs, healthCheckGraceMs: 300_000 }, times);
  expect([null, 0, 60_000].map((given) => paceOf(given).warmUpMs)).toEqual([300_000, 0, 60_000]);
  const [grace, none] = [paceOf(null), paceOf(0)];
  expect(leastMs(grace, 10, 1) - leastMs(none, 10, 1)).toBe(10 * (300_000 - none.readyMs));
});
