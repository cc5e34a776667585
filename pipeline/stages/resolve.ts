/** Resolve: everything a release needs exists and answers. Reads only; nothing is changed here. */
import { requireTools } from '../doctor/doctor.ts';
import { planFleet } from '../fleet/waves.ts';
import { preflight } from '../rollout/preflight.ts';
import { type ReleaseContext, runStage } from './context.ts';

export const resolve = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'resolve', async ({ config, root, cloud, clock, emergency, progress }) => {
    await requireTools(config.image.builder);
    const waves = planFleet({ config, root, emergency });
    const plans = await preflight({ cloud, clock }, waves);
    for (const { group, blockers, notices } of plans) {
      for (const notice of [...blockers, ...notices]) progress.note(`${group}: ${notice}`);
    }
    const instances = plans.reduce((sum, plan) => sum + plan.toReplace, 0);
    return { summary: `${plans.length} groups with ${instances} instances are ready to be rolled` };
  });
