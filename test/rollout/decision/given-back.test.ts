/** Victims that turn out not to be needed, or not to be affordable, get their work back. */
import { expect, test } from 'vitest';
import {
  actionsOf,
  assignment,
  chosen,
  decideOn,
  drained,
  draining,
  group,
  previous,
  starting,
  target,
} from '../group.ts';

/** The call was made, or was about to be when the process died; no outcome was written. */
const untold = { ...draining, started: false };

test('one whose drain may not have begun is drained all the same when it serves nobody', () => {
  const [ill, ...others] = previous(4, {});
  const seen = group([{ ...ill!, ...starting }, ...others], { desired: 4 });
  const memory = {
    drains: { [ill!.id]: untold },
    instances: { [ill!.id]: { ...known, misses: 9 } },
  };
  expect(chosen(decideOn(assignment(), seen, { wanted: 4, memory }))).toEqual([ill!.id]);
});

test('a canary that a scale-out has filled takes nobody more, however far the drain has come', () => {
  const canary = assignment({ strategy: { type: 'canary', size: { instances: 2 }, soakMs: 60_000 } });
  const given = { wanted: 4, memory: { drains: { 'i-old1': draining } }, drains: { 'i-old1': drained } };
  const full = decideOn(canary, group([...previous(3), ...target(2)], { desired: 5 }), given);
  expect(actionsOf(full, 'terminate')).toEqual([]);
  expect(actionsOf(full, 'undrain')).toMatchObject([{ instances: ['i-old1'] }]);

  const open = decideOn(canary, group([...previous(4), ...target(1)], { desired: 5 }), given);
  expect(actionsOf(open, 'terminate')).toMatchObject([{ instances: ['i-old1'] }]);
});

const known = {
  version: 1,
  seenAt: 0,
  passes: 0,
  failures: 0,
  misses: 0,
  served: true,
  lapsedSince: null,
  reason: 'initial',
  unhealthy: false,
  terminated: false,
  leaving: false,
};
