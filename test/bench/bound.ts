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
