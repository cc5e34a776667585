/**
 * How a room tells a person what it is doing, without knowing whether that person watches a terminal, reads
 * a CI log, or parses JSON. Rooms receive a Progress; report/ renders it.
 */
export interface Progress {
  /** Runs `work` as a named, timed, nested step. A step that throws is shown as failed and rethrown. */
  step<T>(title: string, work: (progress: Progress) => Promise<T>): Promise<T>;
  /** The step's current activity, one line, replaced by the next (a terminal) or printed if it changed (a log). */
  update(text: string): void;
  /** A line that stays: a fact worth keeping in the log. */
  note(text: string): void;
}

/** Shows nothing. For tests and for callers that only want the result. */
export const silent: Progress = {
  step: (_title, work) => work(silent),
  update: () => {},
  note: () => {},
};
