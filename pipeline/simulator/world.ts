/**
 * The account behind `cloud: simulator`: for every group of the fleet that `simulator.groups` describes, an Auto
 * Scaling group in service on an initial image. A group of the fleet without a description does not exist in the
 * account, as it may be missing from a real one.
 */
import { durationMs } from '../config/duration.ts';
import type { Config } from '../config/schema.ts';
import { createGroup, usableTemplate } from './model/groups.ts';
import { newId } from './model/identity.ts';
import { addImage, becomeAvailable } from './model/images.ts';
import { advance } from './model/model.ts';
import { publish } from './model/parameters.ts';
import type { Image, Timing, World } from './model/state.ts';
import { createTargetGroup } from './model/targets.ts';
import { createTemplate } from './model/templates.ts';

/** Given the saved world, or null the first time, and the present: the world to go on with. */
export type WorldSource = (saved: World | null, nowMs: number) => World;

type SimulatedGroup = Config['simulator']['groups'][string];

/** The groups have been in service for a while when the account is first looked at. */
const settledForMs = 3_600_000;
const zoneLetters = ['a', 'b', 'c', 'd', 'e', 'f'];

const defaultTiming: Timing = {
  bootMs: 3_000,
  warmUpMs: 3_000,
  drainMs: 3_000,
  terminateMs: 2_000,
  reactionMs: 500,
  healthCheckMs: 5_000,
  rebalanceMs: 60_000,
  launchRetryMs: 10_000,
  imageMs: 1_000,
};

/** An account with a network and public base images, and nothing else. */
export function emptyWorld(
  options: { region?: string; timing?: Partial<Timing>; nowMs?: number; seed?: number } = {},
): World {
  const { region = 'eu-central-1', timing = {}, nowMs = Date.UTC(2026, 0, 1), seed = 1 } = options;
  const world: World = {
    schema: 'drover/simulator-world@2',
    region,
    accountId: '123456789012',
    now: nowMs,
    serial: 0,
    seed,
    timing: { ...defaultTiming, ...timing },
    queue: [],
    vpcId: '',
    subnets: [],
    instances: {},
    volumes: {},
    images: {},
    snapshots: {},
    templates: {},
    groups: {},
    activities: {},
    refreshes: {},
    targetGroups: {},
    alarms: {},
    parameters: {},
    keyPairs: {},
    securityGroups: {},
    tokens: {},
    buckets: {},
    faults: [],
    clockOffsetMs: 0,
  };
  world.vpcId = newId(world, 'vpc');
  world.subnets = zoneLetters.map((letter, index) => ({
    id: newId(world, 'subnet'),
    zone: `${region}${letter}`,
    cidr: `10.${index}.0.0/16`,
  }));
  const defaultGroup = { id: newId(world, 'sg'), name: 'default', description: 'default VPC security group' };
  world.securityGroups[defaultGroup.id] = { ...defaultGroup, vpcId: world.vpcId, ingress: [], tags: {} };
  const publicImage = { isPublic: true, imdsSupport: 'v2.0', bootMode: 'uefi-preferred' };
  const amazonLinux = image(world, 'al2023-ami-2023.6.20260101.0-kernel-6.1-x86_64', {
    ...publicImage,
    ownerId: '137112412989',
    ownerAlias: 'amazon',
    description: 'Amazon Linux 2023 AMI, x86_64 HVM kernel-6.1',
  });
  const debian = image(world, 'debian-12-amd64-20260101-1980', {
    ...publicImage,
    ownerId: '136693071363',
    description: 'Debian 12 (20260101-1980)',
  });
  for (const kernel of ['default', '6.1']) {
    const name = `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-${kernel}-x86_64`;
    publish(world, name, amazonLinux.id);
  }
  publish(world, '/aws/service/debian/release/12/latest/amd64', debian.id);
  return world;
}

/** An image that has been there for long. */
function image(world: World, name: string, properties: Partial<Image>): Image {
  const snapshotId = newId(world, 'snap');
  const device = {
    device: '/dev/xvda',
    snapshotId,
    sizeGiB: 8,
    type: 'gp3',
    encrypted: false,
    deleteOnTermination: true,
  };
  const added = addImage(world, { name, devices: [device], ...properties });
  becomeAvailable(world, added);
  return added;
}

/** The account `config` describes. A saved world goes on, with groups added that the configuration gained. */
export const worldFrom =
  (config: Config): WorldSource =>
  (saved, nowMs) => {
    const { boot, warm_up, drain, terminate } = config.simulator;
    const timing = {
      ...defaultTiming,
      bootMs: durationMs(boot),
      warmUpMs: durationMs(warm_up),
      drainMs: durationMs(drain),
      terminateMs: durationMs(terminate),
    };
    const world = saved ?? emptyWorld({ region: config.region, timing, nowMs: nowMs - settledForMs });
    world.timing = timing;
    for (const environment of ['staging', 'production'] as const) {
      for (const name of new Set(config.fleet[environment].waves.flatMap(({ groups }) => groups))) {
        const described = config.simulator.groups[name];
        if (described && !Object.hasOwn(world.groups, name)) addGroup(world, name, environment, described);
      }
    }
    advance(world, nowMs);
    return world;
  };

export function addGroup(
  world: World,
  name: string,
  environment: 'staging' | 'production',
  described: SimulatedGroup,
): void {
  const { desired, zones, load_balanced, instance_type, min = desired, max = 2 * desired } = described;
  const initial =
    Object.values(world.images).find((candidate) => candidate.name === initialImageName) ??
    image(world, initialImageName, {
      description: 'what the fleet ran before its first release',
      tags: { drover: 'initial' },
    });
  const subnets = world.subnets.slice(0, zones);
  const tags = { environment, drover: 'simulated' };
  const template = createTemplate(world, {
    name,
    description: 'initial',
    data: { ImageId: initial.id, InstanceType: instance_type },
    tags,
  });
  const targetGroups = load_balanced
    ? [createTargetGroup(world, { name: `${name}-targets`, port: 80, protocol: 'HTTP', tags })]
    : [];
  createGroup(
    world,
    name,
    { min, max, desired },
    {
      zones: subnets.map(({ zone }) => zone),
      subnetIds: subnets.map(({ id }) => id),
      template: usableTemplate(world, { id: template.id, version: '1' }),
      mixedInstances: null,
      targetGroupArns: targetGroups.map(({ arn }) => arn),
      healthCheckType: load_balanced ? 'EC2,ELB' : 'EC2',
      // The console's default: long enough for a person, or a gate, to see a bad instance first.
      healthCheckGraceMs: 300_000,
      cooldownMs: 300_000,
      newInstancesProtected: false,
      terminationPolicies: ['Default'],
      tags: Object.fromEntries(
        Object.entries(tags).map(([key, value]) => [key, { value, propagateAtLaunch: true }]),
      ),
    },
  );
}

const initialImageName = 'drover-initial';
