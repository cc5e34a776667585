/**
 * Progress for a person: in a terminal a live tree of steps; anywhere else timestamped lines that grep well
 * and never rewrite themselves. Decides only how progress looks, never what is worth reporting.
 */
import task from 'tasuku';
import { type Clock, timestamp } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import type { Progress } from './progress.ts';

/** Notes a live step keeps on screen; a log has all of them. */
const notesShownAtMost = 6;

/** A log is read later: an activity that changes all the time is worth a line this often. */
const updateEveryMs = 5_000;

/** A live tree on standard output. */
export function terminalProgress(): Progress {
  return nest(task);

  function nest(create: typeof task): Progress {
    return {
      async step(title, work) {
        const { result } = await create(
          title,
          async (step) => {
            const notes: string[] = [];
            const inner = nest(step.task as typeof task);
            return work({
              step: inner.step,
              update: (text) => step.setStatus(text),
              note(text) {
                notes.push(text);
                step.setOutput(notes.slice(-notesShownAtMost).join('\n'));
              },
            });
          },
          { showTime: true },
        );
        return result;
      },
      update: () => {},
      note: () => {},
    };
  }
}

/**
 * One line an event: `2026-11-22T06:34:14.123Z build > packer: update`.
 * An update repeats only when its text changed, and not all the time.
 */
export function plainProgress(clock: Clock, write: (line: string) => void): Progress {
  const line = (trail: string[], text: string) =>
    write(`${timestamp(clock.now())} ${[...trail, text].join(' > ')}`);

  return nest([]);

  function nest(trail: string[]): Progress {
    let shownText = '';
    let shownAt = Number.NEGATIVE_INFINITY;
    return {
      async step(title, work) {
        const startedAt = clock.now();
        const seconds = () => `${((clock.now() - startedAt) / 1000).toFixed(1)} s`;
        line(trail, `${title} ...`);
        try {
          const result = await work(nest([...trail, title]));
          line(trail, `${title}: done in ${seconds()}`);
          return result;
        } catch (error) {
          line(trail, `${title}: FAILED after ${seconds()}: ${reasonOf(error).split('\n')[0]}`);
          throw error;
        }
      },
      update(text) {
        const now = clock.now();
        if (text === shownText || now - shownAt < updateEveryMs) return;
        shownText = text;
        shownAt = now;
        line(trail, text);
      },
      note: (text) => line(trail, text),
    };
  }
}
