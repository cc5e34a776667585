/**
 * The least time in which a group can be replaced, whoever does it.
 *
 * A group of `wanted` instances, all in service, may have `surge` more and none less. The k-th replacement can be
 * launched at once while k <= surge, afterwards only when k - surge of the previous ones have been drained and ended:
 * there may be no more than wanted + surge. The m-th drain can begin only when m replacements serve: no fewer than
 * `wanted` may. A launch takes `reactionMs` to be noticed and then its own boot time, a drain always `drainMs`. Doing
 * everything as early as these four sentences allow gives every event its earliest time (an event done earlier never
 * makes a later one later), so the last drain's end is a bound that no order of doing things beats, for
 * replacements that boot, in the order they are launched, as long as these did.
 *
 * A drained instance counts towards the limit until its drain has ended: it still has work. Who leaves that to Auto Scaling,
 * which launches the next as soon as a termination begins, beats the bound by having more than `wanted + surge` at work.
 */
export function lowerBoundMs(
  bootsMs: readonly number[],
  { surge, drainMs, reactionMs }: { surge: number; drainMs: number; reactionMs: number },
): number {
  /** When replacements that were launched begin to serve. */
  const serving = bootsMs.slice(0, surge).map((bootMs) => reactionMs + bootMs);
  let launched = serving.length;
  let endMs = 0;
  for (let drains = 0; drains < bootsMs.length; drains += 1) {
    serving.sort((a, b) => a - b);
    endMs = serving.shift()! + drainMs;
    if (launched < bootsMs.length) {
      serving.push(endMs + reactionMs + bootsMs[launched]!);
      launched += 1;
    }
  }
  return endMs;
}

/** A template version, marks, a process suspended, a pinned version with room for the surge; the process resumed, no marks. */
const callsOfAGroup = 6;

/**
 * The fewest mutating calls for a group: no more than `surge` can be ended at a time, and each time costs one call to end
 * them, and one before that to take them from their load balancer. It needs batches in lock step, each as slow as its
 * slowest, so that only with a surge of one, or of the whole group, can it be had together with the least time.
 */
export const fewestCalls = (size: number, surge: number, isBalanced: boolean): number =>
  callsOfAGroup + Math.ceil(size / surge) * (isBalanced ? 2 : 1);
