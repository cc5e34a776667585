/** One progress step per group, open for as long as the loop works on that group. */
import type { Progress } from '../report/progress.ts';

export interface GroupStep {
  progress: Progress;
  /** Ends the step: well, or with the error it shows. */
  close(error?: Error): void;
}

/** Opens a step per title, hands them to `work`, and ends those still open when it is over. */
export async function withSteps<T>(
  parent: Progress,
  titles: readonly string[],
  work: (steps: GroupStep[]) => Promise<T>,
): Promise<T> {
  const opened = titles.map((title) => open(parent, title));
  const ends = opened.map(({ ended }) => ended);
  let failure: unknown;
  try {
    return await work(await Promise.all(opened.map(({ step }) => step)));
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    for (const { step } of opened) (await step).close(failure instanceof Error ? failure : undefined);
    await Promise.all(ends);
  }
}

function open(parent: Progress, title: string): { step: Promise<GroupStep>; ended: Promise<void> } {
  const { promise: closed, resolve, reject } = Promise.withResolvers<void>();
  const { promise: step, resolve: ready } = Promise.withResolvers<GroupStep>();
  const close = (error?: Error): void => (error ? reject(error) : resolve());
  // The step shows its failure; whoever closed it knows it already.
  const ended = parent
    .step(title, (progress) => {
      ready({ progress, close });
      return closed;
    })
    .catch(() => {});
  return { step, ended };
}
