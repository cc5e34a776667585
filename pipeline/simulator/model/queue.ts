/** What is going to happen, in order: a binary heap inside the world, so that it is saved with it. */
import type { Event, Happening, World } from './state.ts';

const before = (a: Event, b: Event): boolean => a.due < b.due || (a.due === b.due && a.seq < b.seq);

/** Lets `happening` occur `delayMs` after the world's present; events of the same instant keep their order. */
export function schedule(world: World, delayMs: number, happening: Happening): void {
  world.serial += 1;
  const event: Event = { ...happening, due: world.now + Math.max(0, delayMs), seq: world.serial };
  const heap = world.queue;
  let child = heap.push(event) - 1;
  while (child > 0) {
    const parent = (child - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[child] = heap[parent]!;
    child = parent;
  }
  heap[child] = event;
}

/** Removes and returns the first event due at or before `time`. */
export function takeDue(world: World, time: number): Event | null {
  const heap = world.queue;
  const first = heap[0];
  if (!first || first.due > time) return null;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let parent = 0;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
    if (!before(heap[child]!, last)) break;
    heap[parent] = heap[child]!;
    parent = child;
  }
  heap[parent] = last;
  return first;
}

/** When the next event is due; null when nothing is going to happen any more. */
export const nextDue = (world: World): number | null => world.queue[0]?.due ?? null;
