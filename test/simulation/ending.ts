/**
 * How a simulated rollout may end. Whatever the engine changed on a group is as it was, except for what it was
 * asked to change and what others have changed meanwhile; and a release that had no reason to fail was promoted.
 */
import type { Journal, JournalRecord } from '../../pipeline/journal/records.ts';
import type { GroupSpec } from '../../pipeline/rollout/spec.ts';
import { journaledVersion } from '../../pipeline/rollout/versions.ts';
import { allMembers, isTerminating } from '../../pipeline/simulator/model/lifecycle.ts';
import { activeRefresh } from '../../pipeline/simulator/model/refresh-state.ts';
import type { Group, World } from '../../pipeline/simulator/model/state.ts';
import { handoverHook, nameOf, templateOf } from './account.ts';
import { alarmsRung, excusesOf, mustFail } from './excuses.ts';
import type { Scenario } from './scenario.ts';
import type { Services } from './services.ts';
import type { End } from './story.ts';
import { countedIn } from './watch.ts';

interface Ended {
  scenario: Scenario;
  /** When its first second began. */
  startedAt: number;
  world: World;
  services: Services;
  /** Of every release, the latest last. */
  journals: readonly Journal[];
  groups: readonly GroupSpec[];
  before: Settings;
  end: End;
  wanted: (group: string) => number;
}

type Settings = Record<string, ReturnType<typeof settings>>;

export const settingsOf = (world: World): Settings =>
  Object.fromEntries(Object.values(world.groups).map((group) => [group.name, settings(group)]));

/** All a user can set on a group but its template version. */
const settings = (group: Group) => ({
  min: group.min,
  max: group.max,
  desired: group.desired,
  template: templateOf(group).id,
  suspended: Object.keys(group.suspended).sort(),
  tags: { ...group.tags },
  healthCheckGraceMs: group.healthCheckGraceMs,
  newInstancesProtected: group.newInstancesProtected,
});

/** A refresh goes on replacing after a stop, though no call was refused or lost that was to call it off. */
export function refreshLeft(world: World, group: string, journal: Journal): boolean {
  const refresh = activeRefresh(world, group);
  if (refresh === null || refresh.status === 'Cancelling') return false;
  const records = journal.records();
  const last = records.findLast(({ type, data }) => type === 'intent' && data.group === group);
  const outcome = records.findLast(
    ({ type, data }) => type === 'outcome' && last?.type === 'intent' && data.key === last.data.key,
  );
  return outcome?.type === 'outcome' && outcome.data.status === 'done';
}

export function judgeEnd(given: Ended): string[] {
  const { scenario, world, journals, groups, end } = given;
  const found: string[] = [];
  if (end.outcome === 'crashed' || end.outcome === 'overdue') return [`${end.outcome}: ${end.reason}`];
  if (end.outcome === 'refused') {
    return scenario.groups.some(({ isTaken }) => isTaken) ? [] : [`refused: ${end.reason}`];
  }
  const excuses = excusesOf(scenario);
  const isAsked = end.outcome === 'rolled back' && end.reason === 'by hand';
  if (end.outcome !== 'promoted' && !isAsked && excuses.length === 0) {
    found.push(`nothing was wrong, and yet it was ${end.outcome}: ${end.reason}`);
  }
  if (end.outcome === 'promoted' && mustFail(scenario))
    found.push(`an image that is ${scenario.image} was promoted`);
  if (end.outcome === 'stuck' && !/drover (resume|rollback) r-[12]/.test(end.reason)) {
    found.push(`stuck without a command to run: ${end.reason}`);
  }
  found.push(...journals.flatMap((journal) => alarmsRung(scenario, groups, journal, given.startedAt)));
  const begun = journals.filter((journal) => journal.records().length > 0);
  for (const template of Object.values(world.templates)) {
    const users = groups.filter(({ group }) => templateOf(world.groups[group]!).id === template.id).length;
    if (!template.versions[1]) found.push(`${template.name}: the previous version is gone`);
    if (template.latestVersion > 1 + users * begun.length)
      found.push(`${template.name}: ${template.latestVersion - 1} versions made for ${users} groups`);
  }
  if (end.outcome !== 'stuck') {
    const isTouched = (name: string) =>
      begun.some((journal) =>
        journal.records().some(({ type, data }) => type === 'group.baseline' && data.group === name),
      );
    for (const { group } of groups) {
      if (isTouched(group)) found.push(...judgeGroup(given, group), ...leftBehind(given, group));
    }
    if (scenario.deaths.length === 0) found.push(...begun.flatMap(openIntents));
  }
  return found;
}

function judgeGroup({ scenario, world, journals, before, end, wanted }: Ended, name: string): string[] {
  const group = world.groups[name]!;
  const found: string[] = [];
  const happened = scenario.happenings.filter((one) => nameOf(one.group) === name);
  const is = settings(group);
  const was = before[name]!;
  // What others may have changed is theirs; whether it came to it depends on how long the rollout took.
  const theirs = new Set<string>();
  if (happened.some(({ kind }) => kind === 'raise-max')) theirs.add('max');
  if (happened.some(({ kind }) => ['suspend-alarms', 'resume-rebalance'].includes(kind)))
    theirs.add('suspended');
  for (const [key, value] of Object.entries(is)) {
    const expected = key === 'desired' ? wanted(name) : was[key as keyof typeof was];
    if (theirs.has(key)) continue;
    if (JSON.stringify(value) !== JSON.stringify(expected)) {
      found.push(`${name}: ${key} is ${JSON.stringify(value)} in the end, not ${JSON.stringify(expected)}`);
    }
  }
  if (theirs.has('max') && group.max < was.max)
    found.push(`${name}: MaxSize ${group.max} is below ${was.max}`);
  if (
    theirs.has('suspended') &&
    is.suspended.includes('AZRebalance') &&
    !was.suspended.includes('AZRebalance')
  ) {
    found.push(`${name}: AZRebalance is left suspended`);
  }
  const isMeddled = happened.some(({ kind }) => kind === 'template');
  const { version } = templateOf(group);
  // What meant the previous version all along may be followed again.
  const drawn = scenario.groups.find((_, index) => nameOf(index) === name)!.version;
  const isBack = end.outcome === 'rolled back' && version === drawn;
  if (!/^\d+$/.test(version) && !isMeddled && !isBack) found.push(`${name}: is left on ${version}`);
  // AZRebalance may be about to end another, for one it has launched on behalf of an image that turns bad after the end.
  const staying = countedIn(group);
  // Auto Scaling does not scale in what is protected: with nothing else left, the group stays above its desired.
  const mayGo = staying.length > group.desired && staying.some((member) => !member.protectedFromScaleIn);
  if (staying.length < group.desired || mayGo) {
    found.push(`${name}: ${staying.length} instances, ${group.desired} desired`);
  }
  const abandoned = journals.flatMap((journal) => {
    const isUndone = journal.records().some(({ type }) => type === 'rollback.started');
    return (isUndone && journaledVersion(journal.records(), name)) || [];
  });
  const strays = allMembers(group).filter((member) => {
    if (isTerminating(member)) return false;
    // By policy they keep the image they have.
    if (member.protectedFromScaleIn || member.lifecycle === 'Standby') return false;
    return end.outcome === 'rolled back'
      ? abandoned.includes(Number(member.template?.version))
      : member.template?.version !== version;
  });
  if (strays.length > 0 && !isMeddled) {
    found.push(
      `${name}: ${strays.map((m) => `${m.instanceId} on ${m.template?.version}`).join(', ')} in the end`,
    );
  }
  return found;
}

/** What was begun with instances that stay, and with those that wait. */
function leftBehind({ scenario, world, services, journals }: Ended, name: string): string[] {
  const group = world.groups[name]!;
  const found: string[] = [];
  if (activeRefresh(world, name)) found.push(`${name}: an instance refresh is left under way`);
  const members = Object.values(group.members);
  const ids = new Set(members.filter(({ lifecycle }) => lifecycle === 'InService').map((m) => m.instanceId));
  for (const id of services.holds('drain', name))
    if (ids.has(id)) found.push(`${name}: ${id} is left drained`);
  for (const arn of group.targetGroupArns) {
    const { targets } = world.targetGroups[arn]!;
    const missing = [...ids].filter((id) => !targets[id] || targets[id].state === 'draining');
    if (missing.length > 0) found.push(`${name}: ${missing.join(', ')} left without traffic`);
  }
  const ended = new Set(journals.flatMap((journal) => journal.records().flatMap((it) => endedBy(it, name))));
  // Whom Auto Scaling ends by itself, after the release, waits for nobody who would answer.
  const isWaiting = members.some(
    ({ instanceId, lifecycle, actions }) =>
      ended.has(instanceId) &&
      lifecycle === 'Terminating:Wait' &&
      actions.some(({ hook }) => hook === handoverHook),
  );
  if (isWaiting && scenario.happenings.length === 0) found.push(`${name}: a hook is left waiting`);
  return found;
}

const endedBy = (record: JournalRecord, group: string): string[] =>
  record.type === 'intent' && record.data.group === group && record.data.action === 'terminate'
    ? (record.data.arguments as { instances: string[] }).instances
    : [];

/** Every call that was announced has an outcome; none is left unknown but of what is simply done again. */
function openIntents(journal: Journal): string[] {
  const open = new Map<string, string>();
  for (const record of journal.records()) {
    if (record.type === 'intent' && !isRepeated(record.data.action)) open.set(record.data.key, 'no outcome');
    else if (record.type === 'outcome' && record.data.status === 'unknown' && open.has(record.data.key))
      open.set(record.data.key, 'unknown');
    else if (record.type === 'outcome') open.delete(record.data.key);
  }
  return [...open].map(([key, state]) => `intent ${key} is left with ${state}`);
}

const isRepeated = (action: string): boolean => repeated.includes(action);

const repeated = [
  'drain',
  'undrain',
  'renew',
  'untag',
  'pin',
  'template',
  'widen',
  'heartbeat',
  'complete',
  'cancel-refresh',
];
