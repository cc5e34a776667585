/** What decide launches, takes and terminates while it replaces a group. */
import { describe, expect, test } from 'vitest';
import {
  actionsOf,
  assignment,
  chosen,
  decideOn,
  desiredSet,
  drained,
  draining,
  type Given,
  group,
  instance,
  previous,
  starting,
  stillDraining,
  target,
} from '../group.ts';

describe('before anything is replaced', () => {
  const seen = group(previous(4), {
    template: { id: 'lt-1', name: 'web', version: '1' },
    suspendedProcesses: [],
    max: 4,
  });
  const first = decideOn(assignment(), seen, { memory: {} });

  test('marks the group, then suspends, then pins and makes room in one call', () => {
    expect(first.actions.map(({ type }) => type)).toEqual(['tag', 'suspend', 'update']);
    expect(actionsOf(first, 'update')[0]!.change).toEqual({
      templateVersion: 2,
      desired: 5,
      ifDesired: 4,
      max: 5,
    });
  });

  test('the tags alone say what to go back to', () => {
    expect(actionsOf(first, 'tag')[0]!.tags).toEqual({
      'drover:release': 'r-1',
      'drover:version': '2',
      'drover:previous-version': '1',
      'drover:follows': '-',
      'drover:desired': '4',
      'drover:raise': '1',
      'drover:max': '4',
      'drover:max-raised': '5',
      'drover:suspended': 'AZRebalance',
    });
  });

  test('does not suspend what is suspended already, nor in a group of one zone', () => {
    const suspended = { ...seen, suspendedProcesses: ['AZRebalance'] };
    expect(actionsOf(decideOn(assignment(), suspended), 'suspend')).toEqual([]);
    const oneZone = { ...seen, zones: ['a'] };
    expect(actionsOf(decideOn(assignment(), oneZone), 'suspend')).toEqual([]);
  });
});

describe('how many are launched and taken', () => {
  interface Case {
    name: string;
    surge: number;
    unavailable: number;
    old: number;
    fresh?: number;
    young?: number;
    wanted: number;
    desired: number;
    raisedTo?: number;
    taken: number;
  }
  test.each<Case>([
    {
      name: 'raises by the surge and takes nobody yet',
      surge: 1,
      unavailable: 0,
      old: 4,
      wanted: 4,
      desired: 4,
      raisedTo: 5,
      taken: 0,
    },
    {
      name: 'never raises by more than is left',
      surge: 3,
      unavailable: 0,
      old: 2,
      wanted: 2,
      desired: 2,
      raisedTo: 4,
      taken: 0,
    },
    {
      name: 'waits while the extra one is starting',
      surge: 1,
      unavailable: 0,
      old: 4,
      young: 1,
      wanted: 4,
      desired: 5,
      taken: 0,
    },
    {
      name: 'takes one when the extra one serves',
      surge: 1,
      unavailable: 0,
      old: 4,
      fresh: 1,
      wanted: 4,
      desired: 5,
      taken: 1,
    },
    {
      name: 'takes as many as serve above the floor',
      surge: 3,
      unavailable: 0,
      old: 6,
      fresh: 2,
      young: 1,
      wanted: 6,
      desired: 9,
      taken: 2,
    },
    {
      name: 'takes below desired what may be unavailable',
      surge: 0,
      unavailable: 2,
      old: 5,
      wanted: 5,
      desired: 5,
      taken: 2,
    },
    {
      name: 'launches and takes at once',
      surge: 2,
      unavailable: 1,
      old: 5,
      wanted: 5,
      desired: 5,
      raisedTo: 7,
      taken: 1,
    },
    {
      name: 'does not count what is missing as serving',
      surge: 0,
      unavailable: 1,
      old: 3,
      wanted: 4,
      desired: 4,
      taken: 0,
    },
    {
      name: 'leaves room for a scale-in under way',
      surge: 0,
      unavailable: 1,
      old: 6,
      wanted: 4,
      desired: 4,
      taken: 1,
    },
  ])('$name', ({ surge, unavailable, old, fresh = 0, young = 0, wanted, desired, raisedTo, taken }) => {
    const late = target(young, { ...starting }).map((one, index) => ({ ...one, id: `i-young${index}` }));
    const seen = group([...previous(old), ...target(fresh), ...late], { desired });
    const spec = { surge: { instances: surge }, unavailable: { instances: unavailable } };
    const decision = decideOn(assignment(spec), seen, { wanted });
    expect(desiredSet(decision)).toBe(raisedTo);
    expect(chosen(decision)).toHaveLength(taken);
  });

  test('a group that may not change fails before anything is done to it', () => {
    const spec = { surge: { instances: 0 }, unavailable: { fraction: 0.25 } };
    const decision = decideOn(assignment(spec), group(previous(3)));
    expect(decision).toMatchObject({
      status: 'failed',
      actions: [],
      reasons: [expect.stringMatching(/both come to 0 of 3/)],
    });
  });

  test('percentages are of what is wanted now: surge rounds up, unavailable down', () => {
    const spec = { surge: { fraction: 0.25 }, unavailable: { fraction: 0.25 } };
    const decision = decideOn(assignment(spec), group(previous(5)));
    expect(desiredSet(decision)).toBe(7);
    expect(chosen(decision)).toHaveLength(1);
  });
});

describe('who is taken', () => {
  const spec = { surge: { instances: 0 }, unavailable: { instances: 1 } };

  test.each([
    {
      name: 'the zone that has received least comes first',
      zones: ['a', 'a', 'b'],
      fresh: ['a'],
      expected: 'i-3',
    },
    { name: 'then the fullest zone', zones: ['a', 'b', 'b'], fresh: [], expected: 'i-2' },
    { name: 'then the oldest instance', zones: ['a', 'b'], fresh: [], expected: 'i-1' },
  ])('$name', ({ zones, fresh, expected }) => {
    const old = zones.map((zone, index) => instance(`i-${index + 1}`, { zone, launchedAt: index }));
    const young = fresh.map((zone, index) => instance(`i-new${index}`, { zone, templateVersion: 2 }));
    expect(chosen(decideOn(assignment(spec), group([...old, ...young])))).toEqual([expected]);
  });

  test('several victims of one tick are spread over the zones', () => {
    const decision = decideOn(
      assignment({ surge: { instances: 0 }, unavailable: { instances: 2 } }),
      group(previous(4)),
    );
    const zones = chosen(decision).map((id) => previous(4).find((one) => one.id === id)!.zone);
    expect(new Set(zones)).toEqual(new Set(['a', 'b']));
  });

  test('an instance that serves nobody goes first and costs no capacity, but only after it has had its chances', () => {
    const sick = instance('i-sick', { statusChecks: 'impaired' });
    const seen = group([...previous(3), sick, ...target(1)], { desired: 5 });
    const task = assignment({ passes: 2 });
    expect(chosen(decideOn(task, seen, { wanted: 4 }))).toEqual([]);
    const known = {
      version: 1,
      seenAt: 0,
      passes: 0,
      failures: 0,
      misses: 1,
      served: false,
      lapsedSince: null,
      reason: 'x',
      unhealthy: false,
      terminated: false,
      leaving: false,
    };
    const later = decideOn(task, seen, {
      wanted: 4,
      memory: { instances: { 'i-sick': known, 'i-new1': { ...known, version: 2, passes: 2, misses: 0 } } },
    });
    expect(chosen(later)).toEqual(['i-sick']);
  });

  test('a fleet in which nobody serves is replaced at the pipeline’s pace, not at once', () => {
    const sick = previous(6, { statusChecks: 'impaired' });
    const spec2 = { surge: { instances: 2 } };
    expect(chosen(decideOn(assignment(spec2), group(sick, { desired: 8 }), { wanted: 6 }))).toEqual([]);
    const relieved = group([...sick, ...target(2)], { desired: 8 });
    expect(chosen(decideOn(assignment(spec2), relieved, { wanted: 6 }))).toHaveLength(2);
  });

  test('an instance on trial counts as serving only after N consecutive passes', () => {
    const task = assignment({ passes: 3, surge: { instances: 1 } });
    const seen = group([...previous(4), ...target(1)], { desired: 5 });
    const sick = group([...previous(4), ...target(1, { statusChecks: 'initializing' })], { desired: 5 });
    let decision = decideOn(task, seen, { wanted: 4 });
    const taken: number[] = [];
    for (const look of [seen, sick, seen, seen, seen]) {
      decision = decideOn(task, look, { memory: decision.memory });
      taken.push(chosen(decision).length);
    }
    expect(taken).toEqual([0, 0, 0, 0, 1]);
  });

  test.each([
    { policy: 'wait' as const, taken: 0, remaining: true },
    { policy: 'ignore' as const, taken: 0, remaining: false },
    { policy: 'replace' as const, taken: 1, remaining: true },
  ])('protected instances and those in Standby follow the policy $policy', ({ policy, taken, remaining }) => {
    for (const held of [{ protectedFromScaleIn: true }, { lifecycle: 'Standby' as const }]) {
      const isStandby = 'lifecycle' in held;
      const seen = group([instance('i-held', held), ...target(3)], { desired: isStandby ? 3 : 4 });
      const decision = decideOn(
        assignment({ ...spec, protectedInstances: policy, standbyInstances: policy }),
        seen,
      );
      expect(chosen(decision)).toHaveLength(taken);
      expect(decision.status).toBe(remaining ? 'rolling' : 'replaced');
    }
  });
});

describe('a victim', () => {
  const seen = group([...previous(4), ...target(1)], { desired: 5 });
  const chosenBefore = (touched: boolean): Given => ({
    wanted: 4,
    memory: { drains: { 'i-old1': { ...draining, started: false, touched } } },
  });
  /** Of five that serve one has died since: there is none to spare. */
  const short = { ...seen, instances: seen.instances.filter(({ id }) => id !== 'i-old4') };

  test('is chosen anew, by what serves now, as long as nothing has been asked of it', () => {
    expect(chosen(decideOn(assignment(), short, chosenBefore(false)))).toEqual([]);
    expect(chosen(decideOn(assignment(), seen, chosenBefore(false)))).toHaveLength(1);
  });
  test('that may have lost its traffic goes on while it can be spared, and gets it back when it cannot', () => {
    expect(chosen(decideOn(assignment(), seen, chosenBefore(true)))).toEqual(['i-old1']);
    const decision = decideOn(assignment(), short, chosenBefore(true));
    expect(chosen(decision)).toEqual([]);
    expect(actionsOf(decision, 'undrain')).toMatchObject([{ instances: ['i-old1'] }]);
  });

  test.each([
    { change: { protectedFromScaleIn: true }, policy: 'wait' as const, type: 'undrain' },
    { change: { protectedFromScaleIn: true }, policy: 'ignore' as const, type: 'undrain' },
    { change: { protectedFromScaleIn: true }, policy: 'replace' as const, type: 'terminate' },
    { change: { lifecycle: 'Standby' as const }, policy: 'wait' as const, type: 'undrain' },
    { change: { lifecycle: 'Standby' as const }, policy: 'replace' as const, type: 'terminate' },
  ])(
    'that is held back meanwhile ($change) by policy $policy meets its $type',
    ({ change, policy, type }) => {
      const held = group([...previous(3), instance('i-old4', change), ...target(1)], { desired: 5 });
      const spec = { protectedInstances: policy, standbyInstances: policy };
      const given = { wanted: 4, memory: { drains: { 'i-old4': draining } }, drains: { 'i-old4': drained } };
      const concerned = decideOn(assignment(spec), held, given).actions.filter(
        (action) => 'instances' in action && action.instances.includes('i-old4'),
      );
      expect(concerned.map((action) => action.type)).toEqual([type]);
    },
  );

  test('that is too many, and no longer to go once it is protected, gets its work back', () => {
    const [first, ...others] = target(5);
    const seen = group([{ ...first!, protectedFromScaleIn: true }, ...others], { desired: 5 });
    const given = { wanted: 4, memory: { drains: { 'i-new1': draining } }, drains: { 'i-new1': drained } };
    const decision = decideOn(assignment({ protectedInstances: 'replace' }), seen, given);
    expect(actionsOf(decision, 'undrain')).toMatchObject([{ instances: ['i-new1'] }]);
    expect(actionsOf(decision, 'terminate')).toEqual([]);
  });
});

describe('termination', () => {
  const spec = { surge: { instances: 1 } };
  const taken = (ids: string[]): Given => ({
    memory: { drains: Object.fromEntries(ids.map((id) => [id, draining])) },
    drains: Object.fromEntries(ids.map((id) => [id, drained])),
  });

  test.each([
    {
      name: 'lets Auto Scaling launch the replacement while others remain',
      old: 3,
      fresh: 2,
      decrement: false,
    },
    { name: 'brings desired back with the last one', old: 1, fresh: 4, decrement: true },
  ])('$name', ({ old, fresh, decrement }) => {
    const seen = group([...previous(old), ...target(fresh)], { desired: 5 });
    const given = { ...taken(['i-old1']), wanted: 4 };
    expect(actionsOf(decideOn(assignment(spec), seen, given), 'terminate')).toMatchObject([
      { instances: ['i-old1'], decrement },
    ]);
  });

  test('of several at once only as many are decremented as bring desired back', () => {
    const seen = group([...previous(3), ...target(3)], { desired: 6 });
    const given = { ...taken(['i-old1', 'i-old2', 'i-old3']), wanted: 4 };
    const decision = decideOn(assignment({ surge: { instances: 2 } }), seen, given);
    expect(
      actionsOf(decision, 'terminate').map(({ instances, decrement }) => [instances.length, decrement]),
    ).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  test('an instance in Standby is never decremented: it is not counted', () => {
    const seen = group([instance('i-aside', { lifecycle: 'Standby' }), ...target(4)], { desired: 4 });
    const given = { ...taken(['i-aside']), wanted: 4 };
    const decision = decideOn(assignment({ ...spec, standbyInstances: 'replace' }), seen, given);
    expect(actionsOf(decision, 'terminate')).toMatchObject([{ instances: ['i-aside'], decrement: false }]);
  });

  test('does not happen while the drain is under way', () => {
    const seen = group([...previous(3), ...target(2)], { desired: 5 });
    const given = { ...taken(['i-old1']), drains: { 'i-old1': stillDraining }, wanted: 4 };
    expect(actionsOf(decideOn(assignment(spec), seen, given), 'terminate')).toEqual([]);
  });

  test('needs no drain call in a group without target groups', () => {
    const alone = { targets: [] };
    const seen = group([...previous(4, alone), ...target(1, alone)], { desired: 5, targetGroups: [] });
    const decision = decideOn(assignment(spec), seen, { wanted: 4 });
    expect(decision.actions.filter(({ type }) => type === 'drain' || type === 'terminate')).toMatchObject([
      { type: 'terminate' },
    ]);
  });

  test('a surplus that nobody outdated can pay for is drained and decremented, never left to Auto Scaling', () => {
    const seen = group(target(5), { desired: 5 });
    const decision = decideOn(assignment(spec), seen, { wanted: 4 });
    expect(chosen(decision)).toHaveLength(1);
    const [id] = chosen(decision);
    const after = decideOn(assignment(spec), seen, { ...taken([id!]), wanted: 4 });
    expect(actionsOf(after, 'terminate')).toMatchObject([{ instances: [id], decrement: true }]);
  });

  test('of a surplus that is all protected from scale-in does not happen, and is what is waited for', () => {
    const seen = group(target(5, { protectedFromScaleIn: true }), { desired: 5 });
    const decision = decideOn(assignment(spec), seen, { wanted: 4 });
    expect(chosen(decision)).toEqual([]);
    expect(decision.reasons).toEqual([
      expect.stringMatching(/^1 more than wanted, and whoever is left is protected from scale-in/),
    ]);
    const late = { wanted: 4, now: 1e9 };
    expect(decideOn(assignment(spec), seen, late)).toMatchObject({
      status: 'failed',
      reasons: [expect.stringMatching(/0 still to replace, 0 not serving, 1 more than wanted/)],
    });
  });
});
