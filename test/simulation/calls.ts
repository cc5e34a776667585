/** Safety of a call, judged before it is made: by what the world is at that moment, not by what the engine knows of it. */
import type { Cloud, GroupChange, RefreshRequest } from '../../pipeline/cloud/cloud.ts';
import type { Journal } from '../../pipeline/journal/records.ts';
import type { DrainSpec } from '../../pipeline/rollout/spec.ts';
import { counts } from '../../pipeline/simulator/model/lifecycle.ts';
import type { Group, Member, World } from '../../pipeline/simulator/model/state.ts';
import { rival, templateOf } from './account.ts';
import { isMutation } from './death.ts';
import type { Services } from './services.ts';
import { canaryLimitOf, countedIn, limitsOf, surgeOf, type Watch } from './watch.ts';

export interface Court {
  world: World;
  watches: ReadonlyMap<string, Watch>;
  services: Services;
  journal: Journal;
  /** The engine has looked since others last disturbed the group. */
  known(watch: Watch): boolean;
  violated(group: string, what: string): void;
}

export function judgeCall(court: Court, call: keyof Cloud, given: unknown[]): void {
  const { world, watches } = court;
  if (call === 'deregisterTargets' || call === 'registerTargets') {
    const [arn, ids] = given as [string, string[]];
    for (const [name, watch] of watches) {
      if (!world.groups[name]!.targetGroupArns.includes(arn)) continue;
      requireIntent(court, name, call);
      // A view from before its own call shows a target healthy that has yet to become so again.
      if (call === 'registerTargets') watch.disturbedAt = world.now;
      for (const id of ids) {
        if (call === 'registerTargets') watch.touched.delete(id);
        else watch.touched.add(id);
        if (call === 'registerTargets') watch.drainedSince.delete(id);
        else if (!watch.drainedSince.has(id)) watch.drainedSince.set(id, world.now);
      }
    }
    return;
  }
  const [name] = given as [string];
  const watch = watches.get(name);
  if (!watch || typeof name !== 'string' || !isMutation(call)) return;
  requireIntent(court, name, call);
  if (world.groups[name]!.tags['drover:release']?.value === rival) {
    court.violated(name, `${call} on a group that another release holds`);
  }
  switch (call) {
    case 'updateGroup':
      judgeUpdate(court, watch, given[1] as GroupChange);
      return;
    case 'terminateInstances': {
      const { decrementDesired } = given[2] as { decrementDesired: boolean };
      const ids = given[1] as string[];
      judgeCanary(court, watch, { victims: decrementDesired ? [] : ids });
      for (const id of ids) judgeTermination(court, watch, id, decrementDesired);
      return;
    }
    case 'startRefresh':
      judgeRefresh(court, watch, given[1] as RefreshRequest);
      return;
    case 'completeLifecycleActions':
      for (const id of given[2] as string[]) judgeLettingGo(court, watch, given[1] as string, id);
      return;
    case 'extendLifecycleActions':
      for (const id of given[2] as string[]) watch.askedAt.set(id, world.now);
      if (given[1] !== watch.spec.handover?.hook)
        court.violated(name, `answers for the hook ${given[1]}, which is somebody else's`);
      return;
    default:
  }
}

function judgeUpdate(court: Court, watch: Watch, change: GroupChange): void {
  const { desired, templateVersion, ifDesired, max } = change;
  const { world, known } = court;
  const { group: name } = watch.spec;
  const violated = (what: string): void => court.violated(name, what);
  const group = world.groups[name]!;
  if (ifDesired !== undefined && group.desired !== ifDesired && group.desired !== desired) return;
  if (desired !== undefined) {
    watch.loweredByOthers = false;
    const most = watch.wanted + surgeOf(watch.spec.surge, watch.wanted);
    // As many as there are may stay: that launches none.
    if (desired > Math.max(most, group.desired, countedIn(group).length) && known(watch)) {
      violated(`desired set to ${desired}, ${most} allowed`);
    }
    if (desired < group.desired) violated(`desired lowered from ${group.desired} to ${desired}`);
    judgeCanary(court, watch, { raisedTo: desired });
  }
  if (max !== undefined && max < group.desired && known(watch)) {
    violated(`MaxSize set to ${max} below desired ${group.desired}`);
  }
  const { id } = templateOf(group);
  if (typeof templateVersion === 'number' && !world.templates[id]!.versions[templateVersion]) {
    violated(`pinned to version ${templateVersion}, which does not exist`);
  }
}

/** What will be on the target version once Auto Scaling has done what follows from the call. */
function judgeCanary(
  { world, known, violated }: Court,
  watch: Watch,
  { raisedTo, victims = [] }: { raisedTo?: number; victims?: string[] },
): void {
  const limit = canaryLimitOf(watch);
  const group = world.groups[watch.spec.group]!;
  if (limit === null) return;
  const staying = Object.values(group.members).filter(counts);
  const isThere = ({ template }: Member): boolean => template?.version === watch.target;
  const missing = Math.max(0, group.desired - staying.length);
  const raised = Math.max(0, (raisedTo ?? 0) - group.desired);
  const replaced = staying.filter((one) => victims.includes(one.instanceId) && !isThere(one)).length;
  const coming = staying.filter(isThere).length + missing + raised + replaced;
  if (raised + replaced === 0 || coming <= limit || !known(watch)) return;
  violated(watch.spec.group, `${coming} on the new version while a canary of ${limit} is tried`);
}

function judgeTermination(court: Court, watch: Watch, id: string, decrement: boolean): void {
  const { world, known } = court;
  const { spec } = watch;
  const group = world.groups[spec.group]!;
  const member = group.members[id];
  const violated = (what: string): void => court.violated(spec.group, `${id} ${what}`);
  if (!member || /^(Terminat|Warmed)/.test(member.lifecycle)) return;
  watch.touched.add(id);
  const isHeld = member.protectedFromScaleIn && spec.protectedInstances !== 'replace';
  if (isHeld && known(watch)) violated('ended although protected');
  if (member.lifecycle === 'Standby') {
    if (spec.standbyInstances !== 'replace' && known(watch)) violated('ended in Standby');
    if (decrement) violated('is in Standby: desired does not count it');
  }
  for (const [step, drain] of spec.drain.entries()) {
    const progress = progressOf(court, watch, group, { step, drain }, id);
    if (progress === 'done') continue;
    if (progress === 'open') violated(`ended before its drain (${drain.type})`);
    else if (drain.on_deadline === 'fail')
      violated(`ended after a drain that must fail the rollout (${drain.type})`);
    if (progress === 'open' || drain.on_deadline !== 'skip') return;
  }
}

/** Done, to be given up by its policy, or open. */
function progressOf(
  { world, services }: Court,
  { spec, drainedSince, announced }: Watch,
  group: Group,
  { step, drain }: { step: number; drain: DrainSpec },
  id: string,
): 'done' | 'late' | 'open' {
  const isOld = (since: number | undefined): boolean =>
    since !== undefined && world.now - since >= drain.deadlineMs;
  if (drain.type === 'target-group') {
    const isBusy = group.targetGroupArns.some((arn) => world.targetGroups[arn]!.targets[id] !== undefined);
    if (!isBusy) return 'done';
    return isOld(drainedSince.get(id)) ? 'late' : 'open';
  }
  if (services.isDone('drain', spec.group, id)) return 'done';
  const isGivenUp = isOld(announced.get(`${step} ${id}`)) || services.hasFailed('drain', spec.group, id);
  return isGivenUp ? 'late' : 'open';
}

function judgeRefresh(court: Court, watch: Watch, request: RefreshRequest): void {
  const { world, known } = court;
  const { spec, wanted } = watch;
  const group = world.groups[spec.group]!;
  const violated = (what: string): void => court.violated(spec.group, what);
  watch.refreshedAt = group.desired === wanted ? wanted : null;
  if (!world.templates[templateOf(group).id]!.versions[request.version]) {
    violated(`a refresh to version ${request.version}, which does not exist`);
  }
  if (!known(watch)) return;
  const { floor, most } = limitsOf(world, watch);
  const fewest = Math.ceil((group.desired * request.minHealthy) / 100);
  const greatest = Math.floor((group.desired * request.maxHealthy) / 100);
  if (fewest < floor || greatest > most) {
    violated(`a refresh between ${fewest} and ${greatest} instances, ${floor} to ${most} allowed`);
  }
}

function judgeLettingGo({ world, services, violated }: Court, watch: Watch, hook: string, id: string): void {
  const { spec, waiting, letGo } = watch;
  const { handover, group: name } = spec;
  if (hook !== handover?.hook) {
    violated(name, `completes the hook ${hook}, which is somebody else's`);
    return;
  }
  letGo.add(id);
  watch.askedAt.set(id, world.now);
  const { until } = handover;
  const since = waiting.get(id);
  const isLate = since !== undefined && world.now - since >= until.deadlineMs;
  if (services.isDone('jobs', name, id)) return;
  const isGivenUp = (isLate || services.hasFailed('jobs', name, id)) && until.on_deadline !== 'fail';
  if (!isGivenUp) violated(name, `${id} let go before its work had ended`);
}

/** Nothing is changed that the journal does not announce, nor before the group's baseline is in it. */
function requireIntent({ journal, violated }: Court, name: string, call: string): void {
  const records = journal.records();
  if (!records.some(({ type, data }) => type === 'group.baseline' && data.group === name)) {
    violated(name, `${call} before the baseline was journaled`);
  }
  const last = records.findLast(({ type, data }) => type === 'intent' && data.group === name);
  const key = last?.type === 'intent' ? last.data.key : null;
  if (!key || records.some(({ type, data }) => type === 'outcome' && data.key === key)) {
    violated(name, `${call} without an open intent`);
  }
}
