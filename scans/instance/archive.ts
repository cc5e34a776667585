/**
 * inspect.sh's archive, opened: what an instance said about itself, as the observations, runs and files that the
 * checks take. Refuses an archive that is cut off; what is missing in a whole one, each reader refuses for itself.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { type BootObservation, parseCloudInit, unitNames } from '../boot-test.ts';
import { type Answers, questions } from '../compliance/own.ts';
import type { AuditRun } from '../compliance/results.ts';
import { lastLine } from '../text.ts';

export interface Archive {
  /** Names of the units the journal was read about. */
  journals: string[];
  /** The files of the image that the checks read, at their places; keys and secrets are placeholders. */
  root: string;
  /** A file of state/ or audit/, by that path. @throws Error when the instance did not say it */
  said(path: string): Promise<string>;
  /** The newest part of an upgraded package's changelog; null where there is none. */
  changelogOf(name: string): Promise<string | null>;
}

/** @throws Error when the archive is not whole */
export async function openArchive(path: string, directory: string, signal?: AbortSignal): Promise<Archive> {
  await mkdir(directory, { recursive: true });
  const options = ['--no-same-owner', '--no-same-permissions', '-C', directory];
  const tar = await execa('tar', ['-xzf', path, ...options], {
    reject: false,
    ...(signal && { cancelSignal: signal }),
  });
  signal?.throwIfAborted();
  const said = (name: string) =>
    readFile(join(directory, name), 'utf8').catch(() => {
      throw new Error(`the instance did not say ${name}`);
    });
  const whole =
    tar.exitCode === 0 &&
    (await said('complete').then(
      () => true,
      () => false,
    ));
  if (!whole)
    throw new Error(`the archive of the instance is not whole: ${lastLine(tar.stderr ?? '') || 'no end'}`);
  const journals = (await readdir(join(directory, 'state/journal')).catch(() => [])).filter(
    (name) => !/\.(exit|err)$/.test(name),
  );
  const changelogOf = (name: string) =>
    readFile(join(directory, 'changelogs', `${name}.gz`)).then(
      (packed) => gunzipSync(packed).toString('utf8'),
      () => null,
    );
  return { root: join(directory, 'root'), journals, said, changelogOf };
}

/** @throws Error unless the command that was asked for `name` ended with 0 */
export async function answerOf({ said }: Archive, name: string): Promise<string> {
  const code = (await said(`state/${name}.exit`)).trim();
  if (code === '0') return said(`state/${name}`);
  const complaint = lastLine(await said(`state/${name}.err`));
  throw new Error(`the instance could not answer about ${name} (exit code ${code}): ${complaint}`);
}

/** `is-system-running` and `cloud-init status` say by their exit code what they say in words: only the words count. */
export async function bootIn(archive: Archive): Promise<BootObservation> {
  const { said } = archive;
  const failedUnits = [
    ...new Set(
      (await Promise.all(['failed', 'restarting'].map((name) => answerOf(archive, name)))).flatMap(unitNames),
    ),
  ].sort();
  const journal: Record<string, string> = {};
  for (const unit of archive.journals) journal[unit] = (await said(`state/journal/${unit}`)).trim();
  const userId = (await said('state/user-id')).trim();
  return {
    sshAfterMs: null,
    userId: userId === '' ? Number.NaN : Number(userId),
    kernel: (await answerOf(archive, 'kernel')).trim(),
    systemState: (await said('state/system')).trim(),
    cloudInit: parseCloudInit(await said('state/cloud-init')),
    failedUnits,
    journal,
  };
}

/** @throws Error when the scanner did not run */
export async function auditIn({ said }: Archive): Promise<AuditRun & { seconds: number }> {
  const code = await said('audit/exit').catch(async () => {
    throw new Error(`OpenSCAP could not be installed there: ${lastLine(await said('audit/install.log'))}`);
  });
  const [log, stderr, resultsXml] = await Promise.all(
    ['oscap.log', 'stderr', 'results.xml'].map((name) => said(`audit/${name}`).catch(() => '')),
  );
  return {
    exitCode: Number(code),
    log: `${log}\n${stderr}`,
    resultsXml: resultsXml ?? '',
    seconds: Number(await said('audit/seconds')),
  };
}

/** What the instance answered for Drover's own checks; a command that failed there is no answer. */
export async function ownAnswersIn(archive: Archive): Promise<Answers> {
  const answers = new Map<string, string>();
  for (const name of Object.keys(questions)) {
    const answer = await answerOf(archive, `own/${name}`).catch(() => null);
    if (answer !== null) answers.set(name, answer);
  }
  return answers;
}

/**
 * What the leftovers check may read, and what it cannot know.
 * @throws Error when accounts were not collected: a check that finds no file there would find nothing wrong
 */
export async function leftoversIn({ root, said }: Archive): Promise<{ root: string; untold: string[] }> {
  for (const file of ['etc/passwd', 'etc/shadow']) {
    const text = await readFile(join(root, file), 'utf8').catch(() => '');
    if (text.trim() === '') throw new Error(`the instance did not give /${file}`);
  }
  const untold = (await said('state/unjudged')).split('\n').filter((line) => line !== '');
  if (untold.length === 0) throw new Error('the instance did not look for leftovers to the end');
  return { root, untold };
}
