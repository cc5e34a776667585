/**
 * EC2 instances: launch, states, status checks, volumes. Knows nothing of groups and load balancers; an
 * instance that belongs to a group only tells it, by an event, that something about its health changed.
 *
 * States: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
 * Checks: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html
 */
import { conductFor } from './behaviour.ts';
import { ServiceError } from './errors.ts';
import { newId, nextSerial } from './identity.ts';
import { findImage } from './images.ts';
import { schedule } from './queue.ts';
import { find, happened } from './standing.ts';
import type { ImageDevice, Instance, Tags, World } from './state.ts';
import { expireToken } from './tokens.ts';

/** EC2 reports a guest that never answers as impaired only after some minutes of 'initializing'. */
const bootFailureMs = 5 * 60_000;
/** "After you terminate an instance, it remains visible in the console for a short while." */
const forgetAfterMs = 60 * 60_000;

export interface LaunchRequest {
  imageId: string;
  instanceType: string;
  subnetId: string;
  groupName: string | null;
  spot: boolean;
  keyName: string | null;
  securityGroupIds: string[];
  /** Overrides and additions to the image's own devices, by device name. */
  devices: Partial<ImageDevice>[];
  userData: string | null;
  shutdownBehavior: 'stop' | 'terminate';
  /** Against TerminateInstances; Auto Scaling and EC2 itself do not ask. */
  terminationProtected?: boolean;
  tags: Tags;
  volumeTags: Tags;
  reservationId?: string;
  clientToken?: string | null;
}

export function findInstance(world: World, id: string): Instance {
  if (!/^i-[0-9a-f]{8,17}$/.test(id)) {
    throw new ServiceError('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
  }
  const instance = world.instances[id];
  if (!instance) throw notFound(id);
  return instance;
}

export const notFound = (id: string): ServiceError =>
  new ServiceError('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`);

/** Launches one instance, now pending. Throws as RunInstances does when image or subnet cannot be used. */
export function launch(world: World, request: LaunchRequest): Instance {
  const image = findImage(world, request.imageId);
  if (image.state !== 'available') {
    throw new ServiceError('InvalidAMIID.Unavailable', `The image ID '${image.id}' is not available`);
  }
  const subnet = world.subnets.find((candidate) => candidate.id === request.subnetId);
  if (!subnet) {
    throw new ServiceError('InvalidSubnetID.NotFound', `The subnet ID '${request.subnetId}' does not exist`);
  }
  requireCapacity(world, subnet.zone, request.instanceType);
  const serial = nextSerial(world);
  const id = newId(world, 'i');
  const { groupName, tags } = request;
  const instance: Instance = {
    id,
    serial,
    reservationId: request.reservationId ?? newId(world, 'r'),
    clientToken: request.clientToken ?? null,
    imageId: image.id,
    instanceType: request.instanceType,
    zone: subnet.zone,
    subnetId: subnet.id,
    privateAddress: `10.${world.subnets.indexOf(subnet)}.${(serial >> 8) & 255}.${serial & 255}`,
    launchedAt: world.now,
    state: 'pending',
    stateReason: null,
    checks: 'not-applicable',
    checksSince: world.now,
    runningSince: null,
    conduct: conductFor(world, image, { id, zone: subnet.zone, groupName, tags }),
    life: 0,
    groupName,
    spot: request.spot,
    keyName: request.keyName,
    securityGroupIds: request.securityGroupIds,
    volumes: [],
    userData: request.userData,
    rootDevice: image.rootDevice,
    interruption: null,
    shutdownBehavior: request.shutdownBehavior,
    terminationProtected: request.terminationProtected ?? false,
    tags,
  };
  world.instances[instance.id] = instance;
  attachVolumes(world, instance, image.devices, request);
  schedule(world, world.timing.bootMs, { kind: 'instance.running', id: instance.id, life: 0 });
  return instance;
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html#troubleshooting-launch-capacity */
function requireCapacity(world: World, zone: string, instanceType: string): void {
  const shortage = find(
    world,
    ['no-capacity'],
    (fault) =>
      (fault.zone === undefined || fault.zone === zone) &&
      (fault.instanceType === undefined || fault.instanceType === instanceType),
  );
  if (!shortage) return;
  happened(shortage);
  throw new ServiceError(
    'InsufficientInstanceCapacity',
    `We currently do not have sufficient ${instanceType} capacity in the Availability Zone you requested (${zone}). ` +
      'Our system will be working on provisioning additional capacity.',
    500,
  );
}

function attachVolumes(
  world: World,
  instance: Instance,
  imageDevices: ImageDevice[],
  request: LaunchRequest,
): void {
  const devices = new Map(imageDevices.map((device) => [device.device, device]));
  for (const change of request.devices) {
    if (!change.device) continue;
    const base = devices.get(change.device) ?? blankDevice(change.device);
    devices.set(change.device, { ...base, ...withoutUndefined(change) });
  }
  for (const device of devices.values()) {
    const id = newId(world, 'vol');
    world.volumes[id] = {
      id,
      serial: nextSerial(world),
      sizeGiB: device.sizeGiB,
      type: device.type,
      encrypted: device.encrypted,
      zone: instance.zone,
      createdAt: world.now,
      snapshotId: device.snapshotId,
      instanceId: instance.id,
      device: device.device,
      deleteOnTermination: device.deleteOnTermination,
      tags: { ...request.volumeTags },
    };
    instance.volumes.push({ device: device.device, volumeId: id });
  }
}

const blankDevice = (device: string): ImageDevice => ({
  device,
  snapshotId: null,
  sizeGiB: 8,
  type: 'gp3',
  encrypted: false,
  deleteOnTermination: true,
});

const withoutUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;

/** pending → running: the status checks begin. */
export function becomeRunning(world: World, instance: Instance): void {
  instance.state = 'running';
  instance.stateReason = null;
  instance.runningSince = world.now;
  instance.checks = 'initializing';
  instance.checksSince = world.now;
  const { id, life } = instance;
  const { readyAfterMs, failsAfterMs } = instance.conduct;
  const turn = (delayMs: number, to: 'ok' | 'impaired'): void =>
    schedule(world, delayMs, { kind: 'instance.checks', id, life, to });
  if (readyAfterMs === null || readyAfterMs > bootFailureMs) turn(bootFailureMs, 'impaired');
  if (readyAfterMs === null) return;
  if (failsAfterMs === null || failsAfterMs > readyAfterMs) turn(readyAfterMs, 'ok');
  if (failsAfterMs !== null) turn(Math.max(failsAfterMs, readyAfterMs), 'impaired');
}

/** The software of a running instance works no more. */
export function failSoftware(world: World, instance: Instance): void {
  if (instance.runningSince === null) return;
  instance.conduct.failsAfterMs = world.now - instance.runningSince;
  setChecks(world, instance, 'impaired');
}

export function setChecks(world: World, instance: Instance, checks: Instance['checks']): void {
  instance.checks = checks;
  instance.checksSince = world.now;
  tellGroup(world, instance);
}

/** Auto Scaling notices what happened to its instance some time later, by its health check. */
function tellGroup(world: World, instance: Instance): void {
  if (instance.groupName === null) return;
  schedule(world, world.timing.healthCheckMs, {
    kind: 'group.health',
    group: instance.groupName,
    id: instance.id,
  });
}

/** Why instances end, as EC2 says it (API reference, StateReason). */
const endings = {
  'Client.UserInitiatedShutdown': 'User initiated shutdown',
  'Server.InternalError': 'An internal error caused the instance to terminate',
  'Server.SpotInstanceTermination': 'Spot instance termination',
};

const reasonFor = (code: keyof typeof endings) => ({ code, message: `${code}: ${endings[code]}` });

/** Idempotent, like TerminateInstances. */
export function terminate(
  world: World,
  instance: Instance,
  code: keyof typeof endings = 'Client.UserInitiatedShutdown',
): void {
  if (instance.state === 'shutting-down' || instance.state === 'terminated') return;
  leaveRunning(world, instance, 'shutting-down');
  instance.stateReason = reasonFor(code);
  schedule(world, world.timing.terminateMs, {
    kind: 'instance.terminated',
    id: instance.id,
    life: instance.life,
  });
}

/** From which state EC2 takes an order, and in which ones there is nothing to do. */
const orders = {
  stopped: { from: 'running', already: ['stopping', 'stopped'] },
  started: { from: 'stopped', already: ['running', 'pending'] },
  rebooted: { from: 'running', already: ['pending'] },
} as const satisfies Record<string, { from: Instance['state']; already: Instance['state'][] }>;
export type Order = keyof typeof orders;

/** Whether there is anything to do. Throws as EC2 does where the order cannot be carried out. */
export function mayBe(order: Order, { id, state }: Instance): boolean {
  const { from, already } = orders[order];
  if (state === from) return true;
  if ((already as readonly string[]).includes(state)) return false;
  throw new ServiceError(
    'IncorrectInstanceState',
    `The instance '${id}' is not in a state from which it can be ${order}.`,
  );
}

export function stop(world: World, instance: Instance): void {
  if (!mayBe('stopped', instance)) return;
  leaveRunning(world, instance, 'stopping');
  instance.stateReason = reasonFor('Client.UserInitiatedShutdown');
  schedule(world, world.timing.terminateMs, {
    kind: 'instance.stopped',
    id: instance.id,
    life: instance.life,
  });
}

export function start(world: World, instance: Instance): void {
  if (!mayBe('started', instance)) return;
  instance.state = 'pending';
  schedule(world, world.timing.bootMs, { kind: 'instance.running', id: instance.id, life: instance.life });
}

/**
 * For EC2 it runs all the time, on the same machine; its software starts anew, and with it the checks. What was ordered
 * to fail fails all the same.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-reboot.html
 */
export function reboot(world: World, instance: Instance): void {
  if (!mayBe('rebooted', instance)) return;
  for (const event of world.queue) {
    if (event.kind !== 'instance.fails' || event.id !== instance.id || event.life !== instance.life) continue;
    event.life += 1;
  }
  instance.life += 1;
  schedule(world, 0, { kind: 'instance.running', id: instance.id, life: instance.life });
}

function leaveRunning(world: World, instance: Instance, state: 'stopping' | 'shutting-down'): void {
  instance.state = state;
  instance.life += 1;
  instance.checks = 'not-applicable';
  instance.checksSince = world.now;
  tellGroup(world, instance);
}

/** shutting-down → terminated: its volumes go or are left behind, and after a while EC2 forgets it. */
export function becomeTerminated(world: World, instance: Instance): void {
  instance.state = 'terminated';
  for (const { volumeId } of instance.volumes) {
    const volume = world.volumes[volumeId];
    if (!volume) continue;
    if (volume.deleteOnTermination) delete world.volumes[volumeId];
    else Object.assign(volume, { instanceId: null, device: null });
  }
  instance.volumes = [];
  if (instance.clientToken) expireToken(world, `RunInstances ${instance.clientToken}`);
  schedule(world, forgetAfterMs, { kind: 'instance.forgotten', id: instance.id });
}
