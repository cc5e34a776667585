/**
 * Bake: prove the image in staging. The very code that rolls production rolls the staging waves; their soak is
 * the configured bake time, during which every gate keeps watching.
 */
import { type ReleaseContext, runStage } from './context.ts';
import { rollEnvironment } from './rollout.ts';

export const bake = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'bake', async (stage) => ({ summary: await rollEnvironment(stage, 'staging') }));
