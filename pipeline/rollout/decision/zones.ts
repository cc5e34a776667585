/**
 * Whom to take next, and whether the zones are even. Pure.
 *
 * Auto Scaling launches into the zone that has fewest instances. So a victim is replaced in its own zone as long as
 * it comes from the zone that has received least so far; taken so, the new instances end up as even as the zones
 * allow, and AZRebalance, once resumed, finds nothing to do. (Taking from the fullest zone instead leaves a third of
 * all groups uneven, over sizes up to 24 and 4 zones; this rule leaves a twentieth, and those are evened out.)
 */
import type { InstanceObservation } from '../../cloud/cloud.ts';

type Placed = Pick<InstanceObservation, 'zone'>;

/**
 * Up to `count` (none if negative) of `candidates`, the best first: from the zone with the fewest `newcomers`, then
 * from the fullest by `population`, then the oldest.
 */
export function pick(
  candidates: readonly InstanceObservation[],
  population: readonly Placed[],
  newcomers: readonly Placed[],
  count: number,
): InstanceObservation[] {
  const all = countByZone(population);
  const received = countByZone(newcomers);
  const worth = ({ zone }: Placed): number => (received.get(zone) ?? 0) * 1e6 - (all.get(zone) ?? 0);
  const left = [...candidates].sort(byAge);
  const picked: InstanceObservation[] = [];
  while (picked.length < count && left.length > 0) {
    const best = left.reduce((a, b) => (worth(b) < worth(a) ? b : a));
    left.splice(left.indexOf(best), 1);
    picked.push(best);
    all.set(best.zone, (all.get(best.zone) ?? 0) - 1);
    // Its replacement is expected where it was.
    received.set(best.zone, (received.get(best.zone) ?? 0) + 1);
  }
  return picked;
}

/** How many instances would have to move for no zone to have two more than another: what AZRebalance acts on. */
export function movesToEven(zones: readonly string[], population: readonly Placed[]): number {
  const counts = countByZone(population);
  for (const zone of zones) if (!counts.has(zone)) counts.set(zone, 0);
  const sizes = [...counts.values()];
  let moves = 0;
  for (; Math.max(...sizes) - Math.min(...sizes) > 1; moves += 1) {
    sizes[sizes.indexOf(Math.max(...sizes))]! -= 1;
    sizes[sizes.indexOf(Math.min(...sizes))]! += 1;
  }
  return moves;
}

function countByZone(instances: readonly Placed[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { zone } of instances) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return counts;
}

/** Oldest first; ids decide ties, so that the same snapshot always gives the same victims. */
const byAge = (a: InstanceObservation, b: InstanceObservation): number =>
  (a.launchedAt ?? 0) - (b.launchedAt ?? 0) || (a.id < b.id ? -1 : 1);
