/**
 * How many instances an instance refresh replaces at one moment: launches and terminations within the healthy
 * percentages and up to the next checkpoint.
 */
import { causes } from './activities.ts';
import { launcher } from './launch-member.ts';
import { counts } from './lifecycle.ts';
import { terminateMember } from './members.ts';
import { addTo, spreadOf } from './placement.ts';
import type { InstanceRefresh } from './refresh-state.ts';
import type { Survey } from './refresh-survey.ts';
import type { Group, Member, World } from './state.ts';

/**
 * The fewest ready and the most present instances. The minimum is rounded up.
 *
 * RefreshPreferences: when MaxHealthyPercentage is given "and it is mathematically impossible to replace instances
 * while honoring both bounds simultaneously, Auto Scaling launches a new instance before terminating an old one
 * (temporarily exceeding the desired capacity). When MaxHealthyPercentage is omitted, Auto Scaling terminates an
 * instance and launches its replacement simultaneously."
 */
function bounds(group: Group, refresh: InstanceRefresh): { fewest: number; most: number } {
  const { minHealthyPercent, maxHealthyPercent } = refresh.preferences;
  const fewest = Math.ceil((group.desired * minHealthyPercent) / 100);
  if (maxHealthyPercent === null) {
    return { fewest: Math.min(fewest, group.desired - 1), most: group.desired };
  }
  const most = Math.floor((group.desired * maxHealthyPercent) / 100);
  return { fewest, most: most > fewest ? most : group.desired + 1 };
}

/**
 * Begins what may begin now.
 * @param upTo how many of the scope may be new: the checkpoint the refresh is on its way to
 */
export function replaceSome(
  world: World,
  group: Group,
  refresh: InstanceRefresh,
  survey: Survey,
  upTo: number,
): void {
  const { fewest, most } = bounds(group, refresh);
  if (group.suspended.Launch === undefined) {
    const { surplus } = refresh;
    const replaceable = survey.stale.filter(counts).length;
    const begun = survey.scope - survey.outdated + surplus;
    // Launches that reconciliation owes the group come first.
    const room = most - Math.max(survey.present, group.desired + surplus);
    launchAhead(world, group, refresh, Math.min(room, replaceable - surplus, upTo - begun));
  }
  if (group.suspended.Terminate === undefined) terminateStale(world, group, refresh, survey, fewest, upTo);
}

function launchAhead(world: World, group: Group, refresh: InstanceRefresh, count: number): void {
  if (count <= 0) return;
  const spread = spreadOf(group);
  const launch = launcher(world, group, spread);
  const cause = causes(world, 'an instance was launched in response to an instance refresh');
  for (let launched = 0; launched < count; launched += 1) {
    const member = launch(cause);
    if (!member) return;
    addTo(spread, member);
    refresh.surplus += 1;
  }
}

function terminateStale(
  world: World,
  group: Group,
  refresh: InstanceRefresh,
  survey: Survey,
  fewest: number,
  upTo: number,
): void {
  let spare = survey.ready.size - fewest;
  let replaced = survey.scope - survey.outdated;
  const cause = causes(world, 'an instance was taken out of service in response to an instance refresh');
  for (const member of inOrder(group, survey)) {
    if (counts(member)) {
      if (replaced >= upTo) return;
      if (survey.ready.has(member)) {
        if (spare <= 0) return;
        spare -= 1;
      }
      replaced += 1;
      refresh.surplus = Math.max(0, refresh.surplus - 1);
    }
    terminateMember(world, group, member, cause);
  }
}

/**
 * Terminates outdated instances of the warm pool, which fills itself up again: "the minimum and maximum healthy
 * percentages are applied separately to the warm pool", and one at a time goes in any case.
 */
export function renewPool(world: World, group: Group, refresh: InstanceRefresh, { pool }: Survey): void {
  const fewest = Math.ceil((pool.size * refresh.preferences.minHealthyPercent) / 100);
  const spare = Math.max(1, pool.size - fewest) - pool.unprepared;
  const cause = causes(
    world,
    'an instance was taken out of the warm pool in response to an instance refresh',
  );
  for (const member of pool.stale.slice(0, Math.max(0, spare))) terminateMember(world, group, member, cause);
}

/** First Standby, then whoever does not serve, then always one of the fullest zone, oldest first: so that zones stay balanced. */
function* inOrder(group: Group, { stale, ready }: Survey): Generator<Member> {
  yield* stale.filter((member) => !counts(member));
  yield* stale.filter((member) => counts(member) && !ready.has(member));
  const zones = new Map<string, { size: number; queue: Member[] }>();
  for (const member of Object.values(group.members)) {
    if (!counts(member)) continue;
    const zone = zones.get(member.zone) ?? { size: 0, queue: [] };
    zone.size += 1;
    zones.set(member.zone, zone);
  }
  const serving = stale.filter((member) => ready.has(member)).toSorted((a, b) => b.joinedAt - a.joinedAt);
  for (const member of serving) zones.get(member.zone)!.queue.push(member);
  for (let left = serving.length; left > 0; left -= 1) {
    const fullest = [...zones.values()]
      .filter(({ queue }) => queue.length > 0)
      .reduce((best, zone) => (zone.size > best.size ? zone : best));
    fullest.size -= 1;
    yield fullest.queue.pop()!;
  }
}
