/**
 * A simulated account that holds a copy of a fleet as the cloud port reported it: groups with their limits, zones,
 * versions, suspended processes and tags, as many instances in the same zones and states, and the times measured there.
 * For rehearsals: it never reaches the account it was copied from.
 *
 * Of a warm pool the instances are copied, not how it is sized. Not copied: instance ids, lifecycle hooks (their time is part of a launch's), scaling policies, weights
 * of instance types.
 */
import type { GroupObservation, InstanceObservation } from '../cloud/cloud.ts';
import type { FaultOrder } from './model/fault.ts';
import { injectFault } from './model/faults.ts';
import { createGroup } from './model/groups.ts';
import { newId, nextSerial } from './model/identity.ts';
import { addImage, becomeAvailable } from './model/images.ts';
import { setChecks } from './model/instances.ts';
import { launchMember } from './model/launch-member.ts';
import { advance } from './model/model.ts';
import type { Group, World } from './model/state.ts';
import { recheckTargets } from './model/target-checks.ts';
import { createTargetGroup } from './model/targets.ts';
import { putPool } from './model/warm-pool.ts';
import { emptyWorld } from './world.ts';

export interface GroupCopy {
  observed: GroupObservation;
  environment: string;
  /** The number its template version means. */
  version: number;
  /** The image that version launches; null when it is not known. */
  imageId: string | null;
  /** A launch until the instance is in service, and from there until it works; a drain. */
  launchMs: number;
  readyMs: number;
  drainMs: number;
  /** What an instance refresh waits for after each; null: as the group itself has it. */
  warmUpMs?: number | null;
}

/** The copies have been in service for so long. */
const settledForMs = 24 * 3_600_000;

/** @param faults as ordered for the new image, or for what happens from `nowMs` on */
export function worldFromFleet(
  copies: readonly GroupCopy[],
  { region, nowMs, faults }: { region: string; nowMs: number; faults: readonly FaultOrder[] },
): World {
  // The account has one boot time: what a group needs beyond the shortest is added to the time until it works.
  const bootMs = Math.min(...copies.map(({ launchMs }) => launchMs));
  const world = emptyWorld({ region, nowMs: nowMs - settledForMs, timing: { bootMs } });
  for (const copy of copies) addCopy(world, copy, readyMsOf(copy, bootMs));
  advance(world, nowMs);
  for (const copy of copies) settle(world, copy);
  for (const fault of faults) injectFault(world, fault);
  // After those ordered: the first that matches an instance applies.
  for (const copy of copies) {
    const ready = readyMsOf(copy, bootMs);
    injectFault(world, {
      kind: 'boots-slowly',
      group: copy.observed.name,
      imageId: 'any',
      ready: { fromMs: ready, toMs: ready },
    });
  }
  return world;
}

/** From 'running', which is when an instance is in service here. */
const readyMsOf = ({ launchMs, readyMs }: GroupCopy, bootMs: number): number => launchMs - bootMs + readyMs;

const present = ({ instances }: GroupObservation): InstanceObservation[] =>
  instances.filter(
    ({ lifecycle }) => lifecycle === 'InService' || /^(Pending|(Entering)?Standby)/.test(lifecycle),
  );

function addCopy(world: World, copy: GroupCopy, readyMs: number): void {
  const { observed, environment, version, imageId, drainMs, warmUpMs = null } = copy;
  const { name, zones, instances, targetGroups } = observed;
  const image = ensureImage(world, imageId);
  const template = ensureTemplate(world, observed, version, {
    ImageId: image,
    ...(instances[0] && { InstanceType: instances[0].instanceType }),
  });
  const members = present(observed);
  const subnets = [...new Set([...zones, ...members.map(({ zone }) => zone)])].map((zone) =>
    ensureSubnet(world, zone),
  );
  const group = createGroup(
    world,
    name,
    { min: 0, max: members.length, desired: members.length },
    {
      zones: [...zones],
      subnetIds: subnets,
      template: { ...template, version: String(version) },
      targetGroupArns: targetGroups.map((arn) => ensureTargetGroup(world, arn, drainMs, readyMs)),
      healthCheckType: observed.healthCheckType,
      warmUpMs: warmUpMs ?? observed.warmUpMs,
      // Instances outlived it there; the times they took are not known to the minute.
      healthCheckGraceMs: Math.max(observed.healthCheckGraceMs, readyMs + 60_000),
      tags: Object.fromEntries(
        Object.entries({ ...observed.tags, environment }).map(([key, value]) => [
          key,
          { value, propagateAtLaunch: key === 'environment' },
        ]),
      ),
    },
  );
  const option = { templateId: template.id, version: String(version), instanceType: null };
  const cause = 'copied from the fleet';
  for (const { zone } of members) {
    launchMember(world, group, { option, spot: null, zone, cause, into: 'group' });
  }
  const { warmPool } = observed;
  if (warmPool === null) return;
  const state = warmPool.some(({ lifecycle }) => lifecycle === 'Warmed:Running') ? 'Running' : 'Stopped';
  putPool(world, group, { minSize: warmPool.length, maxPrepared: 0, state });
}

/** What could only be set once the instances were in service, or prepared. */
function settle(world: World, { observed }: GroupCopy): void {
  const group = world.groups[observed.name]!;
  const { min, max, desired, template, newInstancesProtected } = observed;
  Object.assign(group, { min, max, desired, newInstancesProtected });
  group.template = { ...group.template!, version: template!.version };
  settlePool(group, observed);
  for (const process of observed.suspendedProcesses) group.suspended[process] = 'copied from the fleet';
  // Launched in the order of the observation, zone by zone the same.
  const members = Object.values(group.members);
  for (const [index, original] of present(observed).entries()) {
    const member = members[index]!;
    const instance = world.instances[member.instanceId]!;
    member.protectedFromScaleIn = original.protectedFromScaleIn;
    if (original.lifecycle.endsWith('Standby')) member.lifecycle = 'Standby';
    if (original.templateVersion !== null) {
      member.template = { ...member.template!, version: String(original.templateVersion) };
    }
    if (original.imageId !== null) instance.imageId = ensureImage(world, original.imageId);
    if (isFailing(original)) {
      instance.conduct.failsAfterMs = 0;
      setChecks(world, instance, 'impaired');
      recheckTargets(world, instance.id);
    }
  }
}

function settlePool({ warmPool: pool }: Group, { warmPool: originals }: GroupObservation): void {
  const members = Object.values(pool?.members ?? {});
  for (const [index, { templateVersion }] of (originals ?? []).entries()) {
    const { template } = members[index]!;
    if (template && templateVersion !== null) template.version = String(templateVersion);
  }
}

const isFailing = ({ healthy, statusChecks, targets }: InstanceObservation): boolean =>
  !healthy || statusChecks === 'impaired' || targets.some(({ state }) => state === 'unhealthy');

function ensureImage(world: World, id: string | null): string {
  if (id !== null && world.images[id]) return id;
  const image = addImage(world, { name: id ?? `unknown ${nextSerial(world)}` });
  becomeAvailable(world, image);
  if (id === null) return image.id;
  delete world.images[image.id];
  image.id = id;
  world.images[id] = image;
  return id;
}

function ensureTemplate(
  world: World,
  { template }: GroupObservation,
  version: number,
  data: { ImageId: string; InstanceType?: string },
): Omit<NonNullable<Group['template']>, 'version'> {
  const { id, name } = template!;
  const known = world.templates[id];
  const versions = {
    ...known?.versions,
    [version]: { version, createdAt: world.now, description: null, data },
  };
  const latestVersion = Math.max(...Object.keys(versions).map(Number));
  world.templates[id] = {
    id,
    name,
    serial: known?.serial ?? nextSerial(world),
    createdAt: world.now,
    defaultVersion: template!.version === '$Default' ? version : (known?.defaultVersion ?? version),
    latestVersion,
    versions,
    tags: {},
  };
  return { id, name };
}

function ensureSubnet(world: World, zone: string): string {
  const known = world.subnets.find((subnet) => subnet.zone === zone);
  if (known) return known.id;
  const subnet = { id: newId(world, 'subnet'), zone, cidr: `10.${world.subnets.length}.0.0/16` };
  world.subnets.push(subnet);
  return subnet.id;
}

function ensureTargetGroup(
  world: World,
  arn: string,
  deregistrationDelayMs: number,
  readyMs: number,
): string {
  if (world.targetGroups[arn]) return arn;
  const name = arn.split('/')[1] ?? arn;
  const group = createTargetGroup(world, {
    name,
    port: 80,
    protocol: 'HTTP',
    tags: {},
    deregistrationDelayMs,
    // A new target is healthy at its first check; what that takes is in `readyMs`.
    healthCheck: { intervalMs: Math.max(1, readyMs) },
  });
  delete world.targetGroups[group.arn];
  group.arn = arn;
  world.targetGroups[arn] = group;
  return arn;
}
