/** The commands that move a release: run, build, resume, rollback, and the single stages. */
import { appendFileSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import { Refused, reasonOf } from '../errors.ts';
import { locateRelease, readRelease } from '../journal/releases.ts';
import type { Surroundings } from '../opening.ts';
import {
  type ForwardStage,
  openRelease,
  overridePolicy,
  resumeRelease,
  rollbackRelease,
  runSingleStage,
} from '../release.ts';
import { jobSummary, statusText } from '../report/summary.ts';
import { configOf, type Session, surroundings, withCloud } from './session.ts';

interface RunOptions {
  emergency: boolean;
  reason?: string;
  fault?: 'unhealthy';
  through?: ForwardStage;
}

export async function run(session: Session, options: RunOptions): Promise<void> {
  const { emergency, through = 'rollout', fault } = options;
  if (emergency && !options.reason) {
    throw new Refused(
      'invalid',
      'an emergency needs a reason',
      "Add --reason, e.g. --reason 'CVE-2026-12345'.",
    );
  }
  const config = configOf(session);
  const reason = options.reason ?? 'scheduled rebuild';
  await withCloud(
    session,
    config,
    (cloud) =>
      reporting(session, (opened) =>
        openRelease(surroundings(session, config, cloud, { reason, emergency }), through, opened),
      ),
    fault && { kind: fault },
  );
}

export const resume = (session: Session, wanted: string, options: { reason?: string }): Promise<void> =>
  onRelease(session, wanted, options.reason ?? 'resumed by hand', resumeRelease);

export const rollback = (session: Session, wanted: string, options: { reason: string }): Promise<void> =>
  onRelease(session, wanted, options.reason, rollbackRelease);

export const stage =
  (name: Exclude<ForwardStage, 'resolve' | 'build'>) =>
  (
    session: Session,
    wanted: string,
    options: { reason?: string; override?: string; fault?: 'unhealthy' },
  ): Promise<void> => {
    if (options.override && !options.reason) {
      throw new Refused(
        'invalid',
        '--override needs a reason',
        'Add --reason TEXT; it is kept in the record.',
      );
    }
    const work = async (around: Surroundings, release: string) => {
      if (options.override) await overridePolicy(around, release, options.override);
      await runSingleStage(around, release, name);
    };
    return onRelease(session, wanted, options.reason ?? `${name} by hand`, work, options.fault);
  };

/** Works on an existing release in the cloud, and with the configuration, it was opened with. */
async function onRelease(
  session: Session,
  wanted: string,
  reason: string,
  work: (around: Surroundings, release: string) => Promise<void>,
  fault?: 'unhealthy',
): Promise<void> {
  const release = await locateRelease(session.stateDirectory, wanted);
  const state = await readRelease(session.stateDirectory, release);
  const config = state.config as unknown as Config;
  await withCloud(
    session,
    config,
    (cloud) =>
      reporting(session, async (opened) => {
        opened(release);
        await work(surroundings(session, config, cloud, { reason, emergency: state.emergency }), release);
      }),
    fault && { kind: fault, imageId: state.image?.id },
  );
}

/** Whatever happened, says where the release stands: on the terminal, as JSON, and on GitHub's job page. */
async function reporting(
  session: Session,
  work: (opened: (release: string) => void) => Promise<unknown>,
): Promise<void> {
  let release: string | null = null;
  try {
    await work((id) => {
      release = id;
      session.progress.note(`release ${id}`);
    });
  } finally {
    if (release) await showStatus(session, release);
  }
}

/** That it cannot be shown must not hide how the work ended. */
async function showStatus(session: Session, release: string): Promise<void> {
  try {
    const state = await readRelease(session.stateDirectory, release);
    session.print(state, `\n${statusText(state)}`);
    const page = process.env.GITHUB_STEP_SUMMARY;
    if (page) appendFileSync(page, jobSummary(state));
  } catch (error) {
    session.progress.note(`the status of ${release} cannot be shown: ${reasonOf(error)}`);
  }
}
