/**
 * Runs the seeds it is told, one at a time, in a thread of its own. With a mutant, the pipeline in this thread is
 * the broken one.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type Mutant, plant } from './mutants.ts';

const { mutant } = workerData as { mutant: Mutant | null };
if (mutant) plant(mutant);
// Only now, so that what is loaded is what was planted.
const { runSeed } = await import('./seeds.ts');

parentPort!.on('message', async (seed: number) => parentPort!.postMessage(await runSeed(seed)));
