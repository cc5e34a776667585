/**
 * Whom to take next. Pure. Zones are kept even: the victim comes from the zone that has most, so that Auto
 * Scaling launches its replacement where it is missing and nothing needs rebalancing.
 */
import type { InstanceObservation } from '../cloud/cloud.ts';

/**
 * Up to `count` (none if negative) of `candidates`, the best first. `population` is everybody who counts for the balance of zones,
 * candidates included.
 */
export function pick(
  candidates: readonly InstanceObservation[],
  population: readonly InstanceObservation[],
  count: number,
): InstanceObservation[] {
  const inZone = new Map<string, number>();
  for (const { zone } of population) inZone.set(zone, (inZone.get(zone) ?? 0) + 1);
  const left = [...candidates].sort(byAge);
  const picked: InstanceObservation[] = [];
  while (picked.length < count && left.length > 0) {
    const fullest = Math.max(...left.map(({ zone }) => inZone.get(zone) ?? 0));
    const index = left.findIndex(({ zone }) => (inZone.get(zone) ?? 0) === fullest);
    const [victim] = left.splice(index, 1);
    inZone.set(victim!.zone, fullest - 1);
    picked.push(victim!);
  }
  return picked;
}

/** Oldest first; ids decide ties, so that the same snapshot always gives the same victims. */
const byAge = (a: InstanceObservation, b: InstanceObservation): number =>
  (a.launchedAt ?? 0) - (b.launchedAt ?? 0) || (a.id < b.id ? -1 : 1);
