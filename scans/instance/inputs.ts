/**
 * What inspect.sh is handed: itself, the benchmark, the audit's command line, which is decided where every other
 * audit's is, and the packages of the release before. Decides nothing about the machine it goes to.
 */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  type AuditInputs,
  aptConfiguration,
  auditEnvironment,
  auditWords,
  shell,
} from '../compliance/oscap.ts';
import { questions } from '../compliance/own.ts';

/** inspect.sh's own work directory on the instance. */
const work = '/run/drover';

/**
 * Writes the directory; it is a few megabytes, the benchmark being compressed.
 * @param before versions of the release before, by package; empty for the first of its line
 */
export async function writeInputs(
  directory: string,
  inputs: AuditInputs,
  before: ReadonlyMap<string, { version: string }>,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const places = { scanner: null, work: `${work}/audit` };
  const there = {
    ...inputs,
    contentPath: `${work}/content.xml`,
    tailoringPath: `${work}/tailoring.xml`,
  };
  const audit = shell(['env', ...auditEnvironment(places), ...auditWords(there, places)]);
  await Promise.all([
    ...['inspect.sh', 'changelogs.sh'].map((script) =>
      copyFile(join(import.meta.dirname, script), join(directory, script)),
    ),
    writeFile(
      join(directory, 'previous'),
      [...before].map(([name, { version }]) => `${name} ${version}\n`).join(''),
    ),
    copyFile(inputs.tailoringPath, join(directory, 'tailoring.xml')),
    readFile(inputs.contentPath).then((xml) => writeFile(join(directory, 'content.xml.gz'), gzipSync(xml))),
    writeFile(join(directory, 'apt.conf'), aptConfiguration),
    writeFile(join(directory, 'audit.sh'), `exec ${audit}\n`),
    writeFile(
      join(directory, 'questions'),
      Object.entries(questions)
        .map((question) => `${question.join(' ')}\n`)
        .join(''),
    ),
  ]);
}
