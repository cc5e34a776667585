/**
 * What one simulated rollout is given: a fleet, what its rollout may do, an image, and everything that goes wrong,
 * as plain data. Drawn by fast-check, so that a failing one shrinks to the little that matters. Draws only; nothing
 * here runs.
 */
import fc from 'fast-check';
import type { Allowance, HeldPolicy } from '../../pipeline/rollout/spec.ts';

export interface GroupDraw {
  desired: number;
  /** How far MinSize is below and MaxSize above desired. */
  below: number;
  above: number;
  zones: number;
  isLoadBalanced: boolean;
  /** How the group names its template version. */
  version: '1' | '$Latest' | '$Default';
  /** Launches from the template of the first group instead of one of its own. */
  sharesTemplate: boolean;
  /** The template stands in a mixed-instances policy. */
  isMixed: boolean;
  /** An operator has suspended AZRebalance before the rollout. */
  isPinnedToZones: boolean;
  /** Protected from scale-in, and in Standby, when the rollout begins. */
  guarded: number;
  aside: number;
  held: HeldPolicy;
  surge: Allowance;
  unavailable: Allowance;
  passes: number;
  soakS: number;
  /** What happens to a drain that does not end; `null`: no drain at all. */
  onDrainDeadline: 'fail' | 'skip' | 'force' | null;
  wave: 0 | 1;
}

/** Somebody or something outside the engine acts, so many seconds after the start. `which` picks an instance. */
export type Happening = { atS: number; group: number } & (
  | { kind: 'desired'; share: number }
  | { kind: 'raise-max'; by: number }
  | { kind: 'die'; which: number }
  | { kind: 'suspend-alarms' }
  | { kind: 'resume-rebalance' }
  | { kind: 'protect'; which: number }
  | { kind: 'release-all' }
  | { kind: 'template' }
  | { kind: 'drains-stick' }
  | { kind: 'no-capacity'; forS: number }
  | { kind: 'clock-jump'; byS: number }
);

/** What becomes of the nth mutating call; `lost` is carried out, `unsent` is not, and nobody is told either way. */
export interface Weather {
  call: number;
  does: 'busy' | 'throttled' | 'lost' | 'unsent';
}

/** For so long every observation shows what was true when it began. */
export interface Staleness {
  atS: number;
  forS: number;
}

/** Where a process ends: counted anew in every life. `signal` is the stop by hand, at the nth record. */
export interface Death {
  at: 'before the call' | 'after the call' | 'after the record' | 'signal';
  nth: number;
  deadForS: number;
}

export interface Scenario {
  groups: GroupDraw[];
  bootS: number;
  warmUpS: number;
  drainS: number;
  terminateS: number;
  image: 'good' | 'unhealthy' | 'never-boots' | 'turns-bad' | 'bad-in-a-zone';
  happenings: Happening[];
  weather: Weather[];
  staleness: Staleness[];
  deaths: Death[];
  /** What a person does after a promotion. */
  afterwards: 'nothing' | 'roll back';
}

const upTo = (max: number) => fc.nat({ max });
const between = (min: number, max: number) => fc.integer({ min, max });
/** Most of the time nothing. */
const rarely = <T>(some: fc.Arbitrary<T>, none: T) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(none) }, { weight: 1, arbitrary: some });

const allowance = (instances: number, tenths: number): fc.Arbitrary<Allowance> =>
  fc.oneof(
    fc.record({ instances: upTo(instances) }),
    upTo(tenths).map((n) => ({ fraction: n / 10 })),
  );

const isNothing = (allowance: Allowance): boolean => Object.values(allowance)[0] === 0;

const group: fc.Arbitrary<GroupDraw> = fc
  .record({
    desired: upTo(8),
    below: upTo(4),
    above: upTo(3),
    zones: between(1, 4),
    isLoadBalanced: rarely(fc.constant(false), true),
    version: fc.constantFrom<GroupDraw['version'][]>('1', '1', '$Latest', '$Default'),
    sharesTemplate: rarely(fc.constant(true), false),
    isMixed: rarely(fc.constant(true), false),
    isPinnedToZones: rarely(fc.constant(true), false),
    guarded: rarely(between(1, 2), 0),
    aside: rarely(fc.constant(1), 0),
    // Who waits for a release that never comes waits until the deadline, so not too often.
    held: fc.constantFrom<HeldPolicy[]>('ignore', 'replace', 'replace', 'ignore', 'wait'),
    surge: allowance(4, 10),
    unavailable: allowance(2, 3),
    passes: between(1, 4),
    soakS: upTo(60),
    onDrainDeadline: fc.constantFrom<GroupDraw['onDrainDeadline'][]>('fail', 'skip', 'force', null),
    wave: fc.constantFrom<GroupDraw['wave'][]>(0, 0, 1),
  })
  // A group in which nothing may be replaced is refused; that has tests of its own. A share of a group that shrinks
  // can come to nothing, too.
  .map((drawn) =>
    isNothing(drawn.surge) && (isNothing(drawn.unavailable) || 'fraction' in drawn.unavailable)
      ? { ...drawn, surge: { instances: 1 } }
      : drawn,
  );

const which = upTo(11);
const happening: fc.Arbitrary<Happening> = fc
  .tuple(
    fc.record({ atS: between(1, 900), group: upTo(2) }),
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('desired' as const), share: upTo(10) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('die' as const), which }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('raise-max' as const), by: between(1, 5) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('suspend-alarms' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('resume-rebalance' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('protect' as const), which }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('release-all' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('template' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('drains-stick' as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('no-capacity' as const), forS: between(10, 400) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('clock-jump' as const), byS: between(1, 300) }),
      },
    ),
  )
  .map(([when, what]): Happening => ({ ...when, ...what }));

const weather: fc.Arbitrary<Weather> = fc.record({
  call: between(1, 60),
  does: fc.constantFrom<Weather['does'][]>('busy', 'throttled', 'lost', 'unsent'),
});

const death: fc.Arbitrary<Death> = fc.record({
  at: fc.constantFrom<Death['at'][]>('before the call', 'after the call', 'after the record', 'signal'),
  nth: between(1, 60),
  deadForS: between(1, 120),
});

const lists = <T>(one: fc.Arbitrary<T>, maxLength: number) =>
  fc.oneof(fc.constant<T[]>([]), fc.array(one, { minLength: 1, maxLength }));

export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  groups: fc.array(group, { minLength: 1, maxLength: 3 }),
  bootS: between(1, 40),
  warmUpS: between(1, 30),
  drainS: upTo(30),
  terminateS: between(1, 30),
  image: rarely(
    fc.constantFrom<Scenario['image'][]>('unhealthy', 'never-boots', 'turns-bad', 'bad-in-a-zone'),
    'good',
  ),
  happenings: lists(happening, 4),
  weather: lists(weather, 10),
  staleness: lists(fc.record({ atS: between(1, 600), forS: between(1, 45) }), 2),
  deaths: lists(death, 2),
  afterwards: fc.constantFrom<Scenario['afterwards'][]>('nothing', 'nothing', 'roll back'),
});
