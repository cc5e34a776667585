/**
 * What "hardened" means for one release: compiled once, at build, kept with the release, and read back by scan,
 * so that an image is judged by exactly the rules it was built to, whatever the profile file says later.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { type Content, ensureContent } from '../../hardening/content.ts';
import { requireProfile } from '../../hardening/faults.ts';
import { loadProfile } from '../../hardening/profile.ts';
import { meaningOf, type Tailoring, unmadePartitions } from '../../hardening/tailoring.ts';
import { Refused, reasonOf } from '../errors.ts';
import type { Artifact } from '../image.ts';
import { sha256 } from '../json.ts';
import { directoryOf, type ReleaseContext } from './context.ts';

export interface Hardening {
  content: Content;
  tailoring: Tailoring & { path: string; sha256: string };
  artifacts: Artifact[];
}

const tailoringPath = 'image/tailoring.xml';
const recordPath = 'image/hardening.json';

/** Loads profile and content, compiles, and keeps the result in the release's directory (which has image/). */
export async function compileHardening(context: ReleaseContext): Promise<Hardening> {
  const { root, config, cacheDirectory, clock, progress, signal } = context;
  const { role, distribution } = config.image;
  const read = loadProfile(resolve(root, config.image.hardening));
  const profile = { ...read, profile: config.image.profile ?? read.profile };
  if (profile.content.distribution !== distribution) {
    throw new Refused(
      'invalid',
      `${profile.file} is for ${profile.content.distribution}, image.distribution is ${distribution}`,
      'Name a profile for that distribution in image.hardening of drover.yaml.',
    );
  }
  const content = await ensureContent({
    content: profile.content,
    cacheDir: cacheDirectory,
    progress,
    signal,
  });
  const dataStream = await readFile(content.file, 'utf8');
  const benchmark = readBenchmark(dataStream);
  if (config.image.profile) requireProfile(benchmark, config.image.profile, 'image.profile of drover.yaml');
  const meaning = meaningOf(profile, benchmark, { role, now: clock.now() });
  for (const rule of unmadePartitions(meaning))
    progress.note(`${rule} will fail: nothing in ${profile.file} makes that partition, and no fix can`);
  const { xml, ...rest } = meaning.tailoring;
  const record = { content, tailoring: { ...rest, sha256: sha256(xml) } };
  const directory = directoryOf(context);
  const artifacts = [
    await keep(directory, 'tailoring', tailoringPath, xml),
    await keep(directory, 'hardening', recordPath, `${JSON.stringify(record, null, 2)}\n`),
  ];
  const path = join(directory, tailoringPath);
  return { content, tailoring: { ...record.tailoring, xml, path }, artifacts };
}

/** Reads back what build kept. @throws Refused('environment') when it is gone or not what was built with */
export async function hardeningOf(context: ReleaseContext): Promise<Hardening> {
  const directory = directoryOf(context);
  const path = join(directory, tailoringPath);
  try {
    const record = JSON.parse(await readFile(join(directory, recordPath), 'utf8')) as Omit<
      Hardening,
      'artifacts'
    >;
    const xml = await readFile(path, 'utf8');
    if (sha256(xml) !== record.tailoring.sha256) throw new Error(`${path} has been changed`);
    const dataStream = await readFile(record.content.file);
    if (sha256(dataStream) !== record.content.sha256)
      throw new Error(`${record.content.file} has been changed`);
    return { content: record.content, tailoring: { ...record.tailoring, xml, path }, artifacts: [] };
  } catch (error) {
    throw new Refused(
      'environment',
      `what release ${context.journal.release} was hardened to cannot be read: ${reasonOf(error)}`,
      'Build a new release with `drover build`.',
      { cause: error },
    );
  }
}

async function keep(directory: string, name: string, path: string, text: string): Promise<Artifact> {
  await writeFile(join(directory, path), text);
  return { name, path, sha256: sha256(text), bytes: Buffer.byteLength(text) };
}
