/**
 * Rollout: wave after wave onto the image. A wave that fails ends the stage; putting groups back is the
 * rollback's business (rollback.ts), decided by whoever runs the release.
 */
import { Failed, Refused } from '../errors.ts';
import { type Environment, fleetGroups, planWaves } from '../fleet/waves.ts';
import { runWave } from '../rollout/engine.ts';
import { imageOf, type ReleaseContext, runStage, stateOf } from './context.ts';

export const rollout = (context: ReleaseContext): Promise<void> =>
  runStage(context, 'rollout', async (stage) => ({ summary: await rollEnvironment(stage, 'production') }));

/** Rolls every wave of an environment, in order. @returns one sentence. @throws Failed('gate') at the first that fails */
export async function rollEnvironment(context: ReleaseContext, environment: Environment): Promise<string> {
  requireVerdicts(context);
  const { id, name } = imageOf(context);
  const waves = planWaves(context, environment);
  for (const wave of waves) {
    const known = stateOf(context).waves.find((w) => w.environment === environment && w.wave === wave.name);
    if (known?.status === 'promoted') continue;
    await context.progress.step(`wave ${wave.name}`, async (progress) => {
      const outcome = await runWave(
        { ...context, progress },
        wave,
        { id, name },
        fleetGroups(context.config),
      );
      if (outcome.outcome === 'promoted') return;
      throw new Failed(
        'gate',
        `wave ${wave.name} of ${environment} failed: ${outcome.reason}`,
        `See \`drover status ${context.journal.release}\`.`,
      );
    });
  }
  const groups = waves.flatMap((wave) => wave.groups);
  return `${groups.length} ${environment} ${groups.length === 1 ? 'group runs' : 'groups run'} ${name} (${id})`;
}

/** No group is rolled onto an image without the judge's yes (which takes recorded overrides into account). */
function requireVerdicts(context: ReleaseContext): void {
  const { verdicts, image } = stateOf(context);
  const policy = verdicts.find((verdict) => verdict.check === 'policy');
  if (policy?.status === 'passed') return;
  throw new Refused(
    'invalid',
    `image ${image?.id} may not be rolled out: ${policy ? policy.reasons.join('; ') : 'no policy verdict exists'}`,
    `Look at it with \`drover status ${context.journal.release}\`, then build a new image.`,
  );
}
