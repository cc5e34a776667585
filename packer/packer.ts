/**
 * Runs Packer: assembles the template for the version found, follows its machine-readable output, and turns its
 * end into a result or an error a person can act on. Decides nothing about what is built.
 */
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { Failed, Refused } from '../pipeline/errors.ts';
import type { Progress } from '../pipeline/report/progress.ts';
import { activity, isResult } from './activity.ts';

export const packerRoom = import.meta.dirname;

/** Since then plugins come from outside, and the template must name them. */
const pluginsSince = [1, 7];

/** Time Packer gets to take down what it started before it is killed. */
const cleanupMs = 60_000;
/** Lines of a failing provisioner that the error message shows. */
const shownLines = 15;

export interface PackerVersion {
  text: string;
  /** Plugins built in (Debian's 1.6.6): no `packer init`, no required_plugins. */
  bundlesPlugins: boolean;
}

/** @throws Refused('environment') when Packer is missing */
export async function packerVersion(binary: string, signal?: AbortSignal): Promise<PackerVersion> {
  const result = await execa(binary, ['version'], {
    reject: false,
    env: { CHECKPOINT_DISABLE: '1' },
    ...(signal && { cancelSignal: signal }),
  });
  signal?.throwIfAborted();
  const text = /Packer v(\d+\.\d+\.\d+)/.exec(result.stdout ?? '')?.[1];
  if (!text) {
    throw new Refused(
      'environment',
      `Packer is needed to build an image, and '${binary}' does not answer`,
      'Run: drover doctor --install',
    );
  }
  return { text, bundlesPlugins: isBefore(text, pluginsSince) };
}

export function isBefore(version: string, floor: readonly number[]): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, least] of floor.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part < least;
  }
  return false;
}

/**
 * Writes the template for one source to `directory`: the build, that source alone (current Packer refuses a build
 * that lists a source whose plugin is not installed), and its plugin where this version wants that named.
 * @returns whether a plugin is named, which `packer init` then has to find
 */
export async function assembleTemplate(
  directory: string,
  version: PackerVersion,
  only: string,
  folder: 'template' | 'inspect' = 'template',
): Promise<boolean> {
  const template = join(packerRoom, folder);
  const plugins = join(packerRoom, 'template');
  const type = only.split('.')[0];
  const plugin = `plugins-${type}.pkr.hcl`;
  const needsPlugin = !version.bundlesPlugins && (await readdir(plugins)).includes(plugin);
  await mkdir(directory, { recursive: true });
  for (const name of ['variables.pkr.hcl', `${type}.pkr.hcl`]) {
    await copyFile(join(template, name), join(directory, name));
  }
  if (needsPlugin) await copyFile(join(plugins, plugin), join(directory, plugin));
  const build = await readFile(join(template, 'build.pkr.hcl'), 'utf8');
  const listed = /^ +"source\.([^"]+)",\n/gm;
  await writeFile(
    join(directory, 'build.pkr.hcl'),
    build.replaceAll(listed, (line, source) => (source === only ? line : '')),
  );
  return needsPlugin;
}

/** One line of `packer -machine-readable`: timestamp, target, type, data. */
export interface PackerLine {
  target: string;
  type: string;
  data: string[];
}

/** @see https://developer.hashicorp.com/packer/docs/commands#machine-readable-output */
export function parseLine(line: string): PackerLine | undefined {
  const [time, target, type, ...data] = line.split(',');
  if (!/^\d+$/.test(time ?? '') || type === undefined) return undefined;
  const plain = (text: string) =>
    text.replaceAll('%!(PACKER_COMMA)', ',').replaceAll('\\n', '\n').replaceAll('\\r', '\n');
  return { target: target ?? '', type, data: data.map(plain) };
}

export interface PackerRun {
  binary: string;
  version: PackerVersion;
  only: string;
  /** Which of this room's templates; default the one that builds. */
  folder?: 'template' | 'inspect';
  variables: Record<string, string | string[] | Record<string, string>>;
  directory: string;
  logFile: string;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Sees every line Packer says, for facts it tells in no other way. */
  onText?: (text: string) => void;
}

/**
 * Runs one source of the build to its end.
 * @param only e.g. 'null.chroot'
 * @param directory where the template is assembled and Packer keeps its files
 * @param logFile receives everything Packer said
 * @returns the artifact's id ('' for sources that have none)
 * @throws Failed('gate') with the last lines and the log's path; the signal's reason when aborted
 */
export async function runPacker(options: PackerRun): Promise<string> {
  // Not in the build's own directory: Packer and its plugins meet at sockets in there, and a socket's path may have
  // 107 bytes only (unix(7)); 1.6.6 crashes when it is longer.
  const scratch = await mkdtemp(join(tmpdir(), 'drover-'));
  try {
    return await runIn(scratch, options);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function runIn(scratch: string, options: PackerRun): Promise<string> {
  const { binary, version, only, variables, directory, logFile, progress, signal, onText } = options;
  const template = join(directory, 'template');
  const needsPlugin = await assembleTemplate(template, version, only, options.folder);
  const env = {
    CHECKPOINT_DISABLE: '1',
    PACKER_NO_COLOR: '1',
    PACKER_CACHE_DIR: join(directory, 'cache'),
    TMPDIR: scratch,
  };
  const common = {
    env,
    cwd: directory,
    reject: false,
    all: true,
    stdin: 'ignore',
    // A process group of its own: an interrupt from the terminal reaches only us, and `interruptible` passes it on
    // once. A second one would make Packer leave its machines behind.
    detached: true,
  } as const;

  if (needsPlugin) {
    progress.update('Packer: plugins');
    const init = await interruptible(execa(binary, ['init', template], common), signal);
    signal?.throwIfAborted();
    if (init.exitCode !== 0) {
      throw new Refused(
        'environment',
        `packer init failed: ${init.all}`,
        'Packer fetches its plugins once; check the network, or run `packer plugins install` by hand.',
      );
    }
  }

  const log = createWriteStream(logFile, { flags: 'a' });
  const recent: string[] = [];
  let artifact = '';
  const packer = execa(
    binary,
    [
      ...['build', '-machine-readable', '-color=false', `-only=${only}`, '-on-error=cleanup'],
      ...Object.entries(variables).flatMap(([name, value]) => [
        '-var',
        `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
      ]),
      template,
    ],
    { ...common, buffer: false },
  );
  const ended = interruptible(packer, signal);
  for await (const raw of packer.iterable({ from: 'all' })) {
    const line = parseLine(raw);
    if (line?.type === 'artifact' && line.data[1] === 'id') artifact = line.data[2] ?? '';
    const said = line ? (line.type === 'ui' ? (line.data[1] ?? '') : '') : raw;
    for (const text of said.split('\n')) {
      const spoken = text.replace(/^(==> |--> | {4})[\w.-]+: ?/, '').trimEnd();
      if (spoken.trim() === '') continue;
      log.write(`${spoken}\n`);
      onText?.(spoken.trim());
      recent.push(spoken.trim());
      if (recent.length > 200) recent.shift();
      if (isResult(spoken.trim())) progress.note(spoken.trim());
      const shown = activity(spoken.trim());
      if (shown) progress.update(shown);
    }
  }
  const result = await ended;
  await new Promise<void>((done) => log.end(done));
  signal?.throwIfAborted();
  if (result.exitCode !== 0) {
    throw new Failed(
      'gate',
      `Packer ${version.text} failed (exit code ${result.exitCode ?? result.signal}):\n${tail(recent)}`,
      `Read the full log: ${logFile}`,
    );
  }
  return artifact;
}

/**
 * On abort, interrupts Packer and what it runs, as Ctrl-C in a terminal would (Packer alone waits for the script it
 * is running to end), and kills the group if it does not come to its end.
 */
async function interruptible<T>(child: PromiseLike<T> & { pid?: number }, signal?: AbortSignal): Promise<T> {
  const { pid } = child;
  let running = true;
  const interrupt = () => {
    tell(pid, 'SIGINT');
    AbortSignal.timeout(cleanupMs).addEventListener('abort', () => running && tell(pid, 'SIGKILL'));
  };
  if (signal?.aborted) interrupt();
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    return await child;
  } finally {
    running = false;
    signal?.removeEventListener('abort', interrupt);
  }
}

function tell(group: number | undefined, signalName: NodeJS.Signals): void {
  if (group === undefined) return;
  try {
    process.kill(-group, signalName);
  } catch (error) {
    // It ended by itself in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The last lines before Packer's own epilogue, which says nothing new. */
function tail(recent: readonly string[]): string {
  const epilogue = recent.findIndex((line) => /^Build '.*' errored/.test(line));
  const lines = epilogue >= 0 ? recent.slice(0, epilogue + 1) : recent;
  return lines
    .slice(-shownLines)
    .map((line) => `  ${line}`)
    .join('\n');
}
