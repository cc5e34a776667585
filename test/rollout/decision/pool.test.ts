/** Instances prepared in a warm pool keep the version they were launched from, so they are replaced like the others. */
import { describe, expect, test } from 'vitest';
import type { GroupObservation, WarmInstance } from '../../../pipeline/cloud/cloud.ts';
import { remainderOf } from '../../../pipeline/rollout/remainder.ts';
import { actionsOf, assignment, decideOn, group, previous, target } from '../group.ts';

const warm = (id: string, templateVersion: number, changes: Partial<WarmInstance> = {}): WarmInstance => ({
  id,
  lifecycle: 'Warmed:Stopped',
  healthy: true,
  templateVersion,
  ...changes,
});
const pool = (count: number, version: number): WarmInstance[] =>
  Array.from({ length: count }, (_, index) => warm(`i-warm${index + 1}`, version));
const seen = (warmPool: WarmInstance[], changes: Partial<GroupObservation> = {}): GroupObservation =>
  group(target(2), { warmPool, ...changes });
const renewed = (...given: Parameters<typeof decideOn>): string[] =>
  actionsOf(decideOn(...given), 'renew').flatMap(({ instances }) => instances);

describe('on the way forward', () => {
  test('half of the pool goes at a time, so that a scale-out finds the other half', () => {
    expect(renewed(assignment(), seen(pool(5, 1)))).toEqual(['i-warm1', 'i-warm2', 'i-warm3']);
    const [first, second, ...others] = pool(5, 1);
    const preparing = [
      warm('i-next', 2, { lifecycle: 'Warmed:Pending' }),
      { ...first!, healthy: false },
      second!,
      ...others,
    ].slice(0, 5);
    expect(renewed(assignment(), seen(preparing))).toEqual(['i-warm2']);
  });

  test('the only one goes too', () => {
    expect(renewed(assignment(), seen(pool(1, 1)))).toEqual(['i-warm1']);
  });

  test('none goes before the group is pinned: its like would come', () => {
    const template = { id: 'lt-1', name: 'web', version: '1' };
    expect(renewed(assignment(), seen(pool(2, 1), { template }))).toEqual([]);
  });

  test('none goes while a canary is tried, or a gate has not passed', () => {
    const strategy = { type: 'canary' as const, size: { instances: 1 }, soakMs: 60_000 };
    const mixed = group([...previous(3), ...target(1)], { warmPool: pool(2, 1) });
    expect(renewed(assignment({ strategy }), mixed)).toEqual([]);
    const groupAnswer = { status: 'waiting' as const, source: 'alarms', reason: 'rings' };
    expect(renewed(assignment(), seen(pool(2, 1)), { groupAnswer })).toEqual([]);
  });

  test('a canary larger than its group keeps no pool back', () => {
    const strategy = { type: 'canary' as const, size: { instances: 9 }, soakMs: 60_000 };
    expect(renewed(assignment({ strategy }), seen(pool(1, 1)))).toHaveLength(1);
  });

  test('one that is still being prepared is waited for: no health check heeds it yet', () => {
    const preparing = [warm('i-warm1', 1, { lifecycle: 'Warmed:Pending:Wait' })];
    const decision = decideOn(assignment(), seen(preparing), { soaked: true });
    expect(decision).toMatchObject({ status: 'rolling', reasons: ['1 in the warm pool on the other image'] });
    expect(actionsOf(decision, 'renew')).toEqual([]);
  });

  test('the group is not finished before none is left, and is then', () => {
    const gone = [
      { ...pool(1, 1)[0]!, healthy: false },
      warm('i-gone', 1, { lifecycle: 'Warmed:Terminating:Wait' }),
      warm('i-next', 2),
    ];
    expect(decideOn(assignment(), seen(pool(1, 1)), { soaked: true }).status).toBe('rolling');
    expect(decideOn(assignment(), seen(gone), { soaked: true }).status).not.toBe('rolling');
  });

  test.each(['ReplaceUnhealthy', 'Terminate', 'Launch'])(
    'where %s is suspended it stays, and keeps nobody',
    (process) => {
      const decision = decideOn(
        assignment(),
        seen(pool(2, 1), { suspendedProcesses: ['AZRebalance', process] }),
        {
          soaked: true,
        },
      );
      expect(actionsOf(decision, 'renew')).toEqual([]);
      expect(decision.status).not.toBe('rolling');
    },
  );
});

test('what stays in the pool is said in the outcome, with what would help', () => {
  const suspendedProcesses = ['ReplaceUnhealthy'];
  expect(remainderOf(assignment(), seen(pool(2, 1), { suspendedProcesses }))).toMatch(
    /^2 in the warm pool on version 1, because ReplaceUnhealthy is suspended: .* set-instance-health .* i-warm1/,
  );
  expect(remainderOf(assignment(), seen(pool(2, 2), { suspendedProcesses }))).toBeNull();
});

describe('on the way back', () => {
  const back = assignment({}, { goal: { kind: 'return', version: 1, abandoned: 2, follows: null } });
  const template = { id: 'lt-1', name: 'web', version: '1' };

  test('all of the version left behind go at once, and no others', () => {
    const mixed = [...pool(3, 2), warm('i-before', 1), warm('i-older', 7)];
    expect(renewed(back, group(previous(2), { warmPool: mixed, template }))).toEqual([
      'i-warm1',
      'i-warm2',
      'i-warm3',
    ]);
  });

  test('a recovery replaces none', () => {
    const recover = assignment({}, { goal: { kind: 'recover', version: 1, abandoned: 2, follows: null } });
    expect(renewed(recover, group(previous(2), { warmPool: pool(3, 2), template }))).toEqual([]);
  });
});
