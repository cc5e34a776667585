/**
 * What every stage is given, and how a stage is recorded: started, finished, how long, what it left. A stage
 * decides what happens in it; it never opens or closes the release and never reaches for another stage.
 */
import type { Clock } from '../clock.ts';
import type { Cloud } from '../cloud/cloud.ts';
import type { Config } from '../config/schema.ts';
import { Interrupted } from '../errors.ts';
import type { Artifact, ImageRecord } from '../image.ts';
import { foldRelease } from '../journal/fold.ts';
import type { Journal, StageName } from '../journal/records.ts';
import { releaseDirectory } from '../journal/releases.ts';
import type { ReleaseState } from '../journal/state.ts';
import type { Progress } from '../report/progress.ts';
import type { RunCommand } from '../rollout/services/command.ts';
import type { Http } from '../rollout/services/http.ts';

export interface ReleaseContext {
  config: Config;
  /** The directory of drover.yaml, to which the paths in it are relative. */
  root: string;
  stateDirectory: string;
  cacheDirectory: string;
  journal: Journal;
  cloud: Cloud;
  http: Http;
  runCommand: RunCommand;
  clock: Clock;
  progress: Progress;
  /** Aborts when a person asks to stop; every wait listens to it. */
  signal: AbortSignal;
  emergency: boolean;
  actor: string;
  reason: string;
}

/** Where this release keeps its files; artifacts are named relative to it. */
export const directoryOf = (context: Pick<ReleaseContext, 'stateDirectory' | 'journal'>): string =>
  releaseDirectory(context.stateDirectory, context.journal.release);

export const stateOf = (context: Pick<ReleaseContext, 'journal'>): ReleaseState =>
  foldRelease(context.journal.records());

/** The image this release built. Its absence is a bug: the order of the stages guarantees it. */
export function imageOf(context: Pick<ReleaseContext, 'journal'>): ImageRecord {
  const { image } = stateOf(context);
  if (!image) throw new TypeError('no image has been built in this release');
  return image;
}

export interface StageResult {
  /** One sentence for a person. */
  summary: string;
  artifacts?: Artifact[];
}

/** Runs one stage as a step, with its records. A failure is recorded and rethrown; an interruption is left open. */
export async function runStage(
  context: ReleaseContext,
  stage: StageName,
  work: (context: ReleaseContext) => Promise<StageResult>,
): Promise<void> {
  await context.progress.step(stage, async (progress) => {
    const startedAt = context.clock.now();
    await context.journal.append({ type: 'stage.started', data: { stage } });
    const finish = (outcome: 'passed' | 'failed', { summary, artifacts = [] }: StageResult) =>
      context.journal.append({
        type: 'stage.finished',
        data: { stage, outcome, durationMs: context.clock.now() - startedAt, summary, artifacts },
      });
    try {
      const result = await work({ ...context, progress });
      await finish('passed', result);
      progress.note(result.summary);
    } catch (error) {
      // A stop by hand is not a failure of the stage: it is run again on resume.
      context.signal.throwIfAborted();
      if (!(error instanceof Interrupted)) {
        await finish('failed', { summary: error instanceof Error ? error.message : String(error) });
      }
      throw error;
    }
  });
}
