import { expect, test } from 'vitest';
import { requestOf } from '../../pipeline/rollout/decision/refresh-request.ts';
import { preflight } from '../../pipeline/rollout/preflight.ts';
import { suspend, updateGroup } from '../../pipeline/simulator/model/groups.ts';
import { setChecks } from '../../pipeline/simulator/model/instances.ts';
import { type Fleet, fleetOf, newImage, waveOf } from './fleet.ts';

const planOf = async (fleet: Fleet) => {
  const before = JSON.stringify(fleet.world.groups);
  const plans = await preflight(fleet, [waveOf(fleet)]);
  expect(JSON.stringify(fleet.world.groups)).toBe(before);
  return plans;
};

test('a group in order has nothing in its way', async () => {
  const fleet = fleetOf({ web: { desired: 4 } }, { specs: { web: { surge: { fraction: 0.25 } } } });
  const [plan] = await planOf(fleet);
  expect(plan).toMatchObject({
    environment: 'production',
    wave: 'all',
    group: 'web',
    desired: 4,
    toReplace: 4,
    surge: 1,
    unavailable: 0,
    floor: 4,
    previous: { version: 1, imageId: expect.stringMatching(/^ami-/) },
    blockers: [],
    notices: [],
  });
});

test('everything that would block or be worked around is named before anything is changed', async () => {
  const fleet = fleetOf(
    { web: { desired: 3, min: 3, max: 3 }, still: { desired: 2 } },
    { specs: { still: { surge: { instances: 0 } } } },
  );
  const group = fleet.world.groups.web!;
  updateGroup(fleet.world, group, {}, { template: { ...group.template!, version: '$Latest' } });
  suspend(fleet.world, group, ['AZRebalance', 'Launch']);
  const [first, second] = Object.values(group.members);
  first!.protectedFromScaleIn = true;
  second!.lifecycle = 'Standby';
  await fleet.cloud.setGroupTags('web', { 'drover:release': 'r-0' });
  const [web, still] = await planOf(fleet);
  expect(web!.blockers).toEqual([
    expect.stringMatching(/marks of release r-0.*drover recover web/),
    expect.stringMatching(/suspended processes a rollout needs: Launch/),
  ]);
  expect(web!.notices).toEqual([
    expect.stringMatching(/1 protected from scale-in: the rollout waits/),
    expect.stringMatching(/1 in Standby: the rollout waits/),
    expect.stringMatching(/follows \$Latest/),
    expect.stringMatching(/MaxSize 3 is raised to 4/),
    expect.stringMatching(/AZRebalance is suspended already/),
  ]);
  expect(still!.blockers).toContain('surge and unavailable are both 0: no instance can be replaced');
});

test('what another strategy than rolling will do is told', async () => {
  const groups = { first: { desired: 4 }, delegated: { desired: 2, max: 2 } };
  const fleet = fleetOf(groups, {
    specs: {
      first: { strategy: { type: 'canary', size: { fraction: 0.5 }, soakMs: 600_000 } },
      delegated: { strategy: { type: 'instance-refresh', checkpoints: [], checkpointSoakMs: 0 } },
    },
  });
  const [first, delegated] = await planOf(fleet);
  expect(first!.notices).toEqual(['2 first; the others follow when they have served for 600 s']);
  expect(delegated!.notices).toEqual([
    expect.stringMatching(
      /grace period \(300 s\) after each .*-name delegated --default-instance-warmup \d+\)/,
    ),
    expect.stringContaining('by an instance refresh'),
  ]);
  fleet.world.groups.delegated!.warmUpMs = 0;
  expect((await planOf(fleet))[1]!.notices).toEqual([expect.stringContaining('by an instance refresh')]);
});

test('an instance refresh under way is named with what becomes of it; one that has ended is not', async () => {
  const groups = { rolled: { desired: 2 }, refreshed: { desired: 2 }, over: { desired: 2 } };
  const strategy = { type: 'instance-refresh' as const, checkpoints: [], checkpointSoakMs: 0 };
  const fleet = fleetOf(groups, { specs: { refreshed: { strategy } } });
  const refresh = (name: string) => {
    const sizes = { wanted: 2, desired: 2, surge: 1, unavailable: 0 };
    return fleet.cloud.startRefresh(name, requestOf(fleet.specs[name]!, 1, sizes));
  };
  await refresh('over');
  await fleet.clock.sleep(600_000);
  fleet.simulator.advance();
  await refresh('rolled');
  await refresh('refreshed');
  const blockers = (await planOf(fleet)).map((plan) => plan.blockers);
  expect(blockers).toEqual([
    [expect.stringMatching(/^instance refresh \S+ is \S+ \(\d+ %\): .*-name rolled\).*is refused/)],
    [expect.stringMatching(/-name refreshed\).*is refused/)],
    [],
  ]);
});

test.each([
  { type: 'rolling' as const, healthCheckType: 'EC2', isNamed: false },
  { type: 'instance-refresh' as const, healthCheckType: 'EC2,ELB', isNamed: false },
  { type: 'instance-refresh' as const, healthCheckType: 'EC2', isNamed: true },
])(
  'health checks by $healthCheckType for $type: named $isNamed',
  async ({ type, healthCheckType, isNamed }) => {
    const strategy = { type, checkpoints: [], checkpointSoakMs: 0 };
    const fleet = fleetOf({ web: { desired: 2 } }, { specs: { web: { strategy } } });
    fleet.world.groups.web!.healthCheckType = healthCheckType;
    const [plan] = await planOf(fleet);
    expect(plan!.notices.some((notice) => notice.includes('fewer than the floor may serve'))).toBe(isNamed);
  },
);

test('instances that run the image already are not counted', async () => {
  const fleet = fleetOf({ web: { desired: 2 } });
  const image = await newImage(fleet);
  const [running] = Object.values(fleet.world.instances);
  running!.imageId = image.id;
  expect(await preflight(fleet, [waveOf(fleet)], image)).toMatchObject([{ toReplace: 1 }]);
});

test('a group without a launch template, and one that does not exist, are refused', async () => {
  const fleet = fleetOf({ web: { desired: 1 } });
  const wave = waveOf(fleet);
  await expect(
    preflight(fleet, [{ ...wave, groups: [{ ...fleet.specs.web!, group: 'absent' }] }]),
  ).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining("'absent'") });
  fleet.world.groups.web!.template = null;
  await expect(preflight(fleet, [wave])).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('no launch template'),
  });
});

test('times that do not fit each other are named: a drain may take longer than its deadline', async () => {
  const fleet = fleetOf(
    { web: { desired: 2 } },
    {
      specs: { web: { gates: [{ type: 'in-service' }] } },
      simulator: { drain: '300s' },
    },
  );
  const [plan] = await planOf(fleet);
  expect(plan!.notices).toEqual([
    expect.stringMatching(
      /deregistration delay \(300 s\) is no shorter than the drain's deadline \(300 s\).*will fail/,
    ),
    expect.stringMatching(/no gate target-health/),
  ]);
});

test('a token that is not there where we run stands in the way', async () => {
  const drain = [
    {
      type: 'http-hook' as const,
      name: 'lb',
      url: 'http://lb/',
      token_env: 'DROVER_TEST_ABSENT',
      timeoutMs: 1_000,
      deadlineMs: 1_000,
      on_deadline: 'fail' as const,
    },
  ];
  const fleet = fleetOf({ web: { desired: 2 } }, { specs: { web: { drain } } });
  const [plan] = await planOf(fleet);
  expect(plan!.blockers).toEqual(['drain http-hook: the environment has no DROVER_TEST_ABSENT']);
});

test('a program of a gate or a drain that is not there where we run stands in the way', async () => {
  const bounds = { timeoutMs: 1_000, deadlineMs: 1_000, on_deadline: 'fail' as const };
  const command = (program: string) => ({ type: 'command' as const, name: 'ask', argv: [program, '-x'] });
  const gates = [
    { ...command('no-such-program'), timeoutMs: 1_000 },
    { ...command('true'), timeoutMs: 1_000 },
  ];
  const drain = [{ ...command('/no/such/program'), ...bounds }];
  const fleet = fleetOf({ web: { desired: 2 } }, { specs: { web: { gates, drain } } });
  const [plan] = await planOf(fleet);
  expect(plan!.blockers).toEqual([
    'gate command: no-such-program is not on the PATH',
    'drain command: /no/such/program cannot be run',
  ]);
});

test('instances that are unhealthy today are counted', async () => {
  const fleet = fleetOf({ web: { desired: 3 } });
  const [instance] = Object.values(fleet.world.instances);
  setChecks(fleet.world, instance!, 'impaired');
  const [plan] = await planOf(fleet);
  expect(plan!.notices).toContain('1 of 3 instances are unhealthy today: they are replaced first');
});

test('a group outside of the plan that would launch the new image by itself is named', async () => {
  const fleet = fleetOf({ web: { desired: 2 }, batch: { desired: 1 }, other: { desired: 1 } });
  const { web, batch, other } = fleet.world.groups;
  const follow = (group: typeof web, version: string): void =>
    updateGroup(fleet.world, group!, {}, { template: { ...web!.template!, version } });
  follow(batch, '$Latest');
  follow(other, '$Default');
  const planned = async (...groups: string[]) =>
    await preflight(fleet, [{ ...waveOf(fleet), groups: groups.map((name) => fleet.specs[name]!) }]);
  expect((await planned('web'))[0]!.notices).toEqual([
    expect.stringMatching(
      /^batch, not in this plan, follow \$Latest of .* web: .*--auto-scaling-group-name batch/,
    ),
  ]);
  expect((await planned('web', 'batch'))[0]!.notices).toEqual([]);
});
