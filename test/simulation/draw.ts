/** Scenarios as fast-check draws and shrinks them: the plain ones first, what is rare seldom, edges on purpose. */
import fc from 'fast-check';
import type { Allowance, HeldPolicy } from '../../pipeline/rollout/spec.ts';
import type {
  Death,
  FaultDraw,
  GroupDraw,
  Happening,
  HttpWeather,
  Policy,
  Scenario,
  StrategyDraw,
  Weather,
} from './scenario.ts';

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

/** Every eighth time: what costs time in a simulation, or is a world of its own. */
const seldom = <T>(some: fc.Arbitrary<T>, none: T) =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(none) }, { weight: 1, arbitrary: some });

const policy = fc.constantFrom<Policy[]>('fail', 'skip', 'force');

const workOf = (longestS: number) => ({
  by: fc.constantFrom('http' as const, 'http' as const, 'command' as const),
  workS: fc.oneof({ weight: 4, arbitrary: upTo(longestS) }, { weight: 1, arbitrary: fc.constant(null) }),
  onDeadline: policy,
});

/** Rolling more often than all others together: what they share, it shows best. */
const strategy: fc.Arbitrary<StrategyDraw> = fc.oneof(
  { weight: 14, arbitrary: fc.constant({ type: 'rolling' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('canary' as const),
      size: fc.oneof(
        fc.record({ instances: between(1, 3) }),
        between(1, 5).map((n) => ({ fraction: n / 10 })),
      ),
      soakS: between(10, 60),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('instance-refresh' as const),
      checkpoints: fc.constantFrom<number[][]>([], [], [50], [25, 50], [30, 100]),
      checkpointSoakS: upTo(60),
    }),
  },
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
    strategy,
    onDrainDeadline: fc.constantFrom<GroupDraw['onDrainDeadline'][]>('fail', 'skip', 'force', null),
    hookDrain: seldom(fc.record({ ...workOf(60), isFirst: fc.boolean() }), null),
    handover: seldom(fc.record({ ...workOf(120), heartbeatS: between(30, 90) }), null),
    othersHooks: seldom(
      fc.array(
        fc.record({
          transition: fc.constantFrom<GroupDraw['othersHooks'][number]['transition'][]>(
            'launching',
            'terminating',
          ),
          heartbeatS: between(30, 60),
          answersS: fc.oneof(fc.constant(null), upTo(50)),
          abandons: upTo(2),
        }),
        { minLength: 1, maxLength: 2 },
      ),
      [],
    ),
    httpGate: rarely(fc.record({ slowS: upTo(20), flaps: fc.boolean() }), null),
    alarm: seldom(
      fc.record({ rings: fc.option(fc.record({ atS: upTo(400), forS: between(5, 600) }), { freq: 4 }) }),
      null,
    ),
    warmPool: seldom(fc.constantFrom<GroupDraw['warmPool'][]>('Stopped', 'Running'), null),
    rebalancesSpot: fc.boolean(),
    race: seldom(upTo(10), null),
    protectsNew: fc.oneof({ weight: 40, arbitrary: fc.constant(false) }, fc.constant(true)),
    isTaken: fc.oneof({ weight: 60, arbitrary: fc.constant(false) }, fc.constant(true)),
    wave: fc.constantFrom<GroupDraw['wave'][]>(0, 0, 1),
  })
  // A group in which nothing may be replaced is refused; that has tests of its own. A share of a group that shrinks
  // can come to nothing, too.
  .map((drawn) =>
    isNothing(drawn.surge) && (isNothing(drawn.unavailable) || 'fraction' in drawn.unavailable)
      ? { ...drawn, surge: { instances: 1 } }
      : drawn,
  )
  // "This operation cannot be called on an Auto Scaling group that [...] requests Spot Instances" (PutWarmPool).
  .map((drawn) => (drawn.warmPool ? { ...drawn, rebalancesSpot: false } : drawn))
  // Auto Scaling knows no drain but its own: that it is refused has tests of its own, too.
  .map((drawn) => (drawn.strategy.type === 'instance-refresh' ? { ...drawn, hookDrain: null } : drawn));

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
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('stand-by' as const), which }) },
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

/** Calls the engine makes, by service; '*' would hit its eyes alone, which are asked most often. */
const operation = fc.constantFrom(
  'autoscaling:*',
  'autoscaling:Describe*',
  'autoscaling:UpdateAutoScalingGroup',
  'autoscaling:TerminateInstanceInAutoScalingGroup',
  'autoscaling:StartInstanceRefresh',
  'autoscaling:*Tags',
  'autoscaling:*Processes',
  'autoscaling:*Lifecycle*',
  'autoscaling:CancelInstanceRefresh',
  'ec2:*',
  'ec2:CreateLaunchTemplateVersion',
  'elasticloadbalancing:*',
  'elasticloadbalancing:*Targets',
);

const fault: fc.Arbitrary<FaultDraw> = fc
  .tuple(
    fc.record({ atS: fc.oneof(upTo(60), upTo(600)) }),
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constantFrom('server-error' as const, 'throttled' as const),
          operation,
          rate: fc.constantFrom(0.2, 0.5, 1),
          forS: between(5, 200),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('denied' as const), operation, forS: between(5, 200) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constantFrom('timeout' as const, 'lost-response' as const),
          operation,
          count: between(1, 4),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('rate-limits' as const), forS: between(60, 600) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('late-reads' as const),
          toS: between(1, 40),
          forS: between(30, 600),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('spot-interruption' as const),
          recommendedS: upTo(300),
          noticeS: between(10, 120),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('death' as const),
          of: fc.constantFrom('software' as const, 'machine' as const),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('slow-drain' as const),
          drainS: between(10, 200),
          forS: between(10, 300),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('no-capacity' as const),
          zone: fc.constantFrom('a' as const, 'b' as const, null),
          count: between(1, 6),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('clock-jump' as const),
          byS: fc.integer({ min: -300, max: 300 }),
        }),
      },
    ),
  )
  .map(([when, what]): FaultDraw => ({ ...when, ...what }));

const httpWeather: fc.Arbitrary<HttpWeather> = fc.record({
  atS: upTo(400),
  forS: between(2, 120),
  does: fc.constantFrom<HttpWeather['does'][]>('none', 'bad', 'late'),
});

const death: fc.Arbitrary<Death> = fc.record({
  at: fc.constantFrom<Death['at'][]>('before the call', 'after the call', 'after the record', 'signal'),
  nth: between(1, 60),
  deadForS: between(1, 120),
  next: fc.constantFrom('resume' as const, 'resume' as const, 'roll back' as const),
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
    fc.constantFrom<Scenario['image'][]>(
      'unhealthy',
      'never-boots',
      'turns-bad',
      'bad-in-a-zone',
      'boots-slowly',
      'leaks',
      'serves-errors',
    ),
    'good',
  ),
  happenings: lists(happening, 4),
  weather: lists(weather, 10),
  faults: rarely(fc.array(fault, { minLength: 1, maxLength: 3 }), []),
  http: rarely(fc.array(httpWeather, { minLength: 1, maxLength: 2 }), []),
  staleness: lists(fc.record({ atS: between(1, 600), forS: between(1, 45) }), 2),
  deaths: lists(death, 2),
  afterwards: fc.oneof(
    { weight: 8, arbitrary: fc.constant('nothing' as const) },
    { weight: 4, arbitrary: fc.constant('roll back' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('next' as const, 'next, and back' as const, 'next, and both back' as const),
    },
  ),
});
