/** Seeds over several threads: each asks for the next as soon as it is done with one. */
import { Worker } from 'node:worker_threads';
import type { Mutant } from './mutants.ts';
import type { SeedResult } from './seeds.ts';

/**
 * Runs `count` seeds from `from` on; `heard` is told of each as it ends, and stops it all by returning false.
 */
export async function runSeeds(
  request: { from: number; count: number; threads: number; mutant?: Mutant },
  heard: (result: SeedResult) => boolean,
): Promise<void> {
  const { from, count, threads, mutant = null } = request;
  let next = from;
  let stopped = false;
  const thread = async (): Promise<void> => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { mutant } });
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    const feed = (): void => {
      if (stopped || next >= from + count) {
        resolve();
        return;
      }
      worker.postMessage(next);
      next += 1;
    };
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`a thread ended with exit code ${code}`)));
    worker.on('message', (result: SeedResult) => {
      if (!stopped && !heard(result)) stopped = true;
      feed();
    });
    feed();
    try {
      await ended;
    } finally {
      worker.removeAllListeners('exit');
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, count) }, thread));
}
