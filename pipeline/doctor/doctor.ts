/**
 * Looks for every external tool, says what it is for and how to get it, and on Debian or Ubuntu as root
 * installs what is missing. It never installs anything unasked and never touches package sources.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { $ } from 'zx';
import type { Config } from '../config/schema.ts';
import { Refused, reasonOf } from '../errors.ts';
import { overNetwork } from '../network.ts';
import type { Progress } from '../report/progress.ts';
import { type Tool, tools } from './tools.ts';

export interface ToolFinding {
  tool: Tool;
  /** Null: not found. */
  version: string | null;
  needed: boolean;
}

/** Asks every tool for its version. */
export async function examine(builder: Config['image']['builder']): Promise<ToolFinding[]> {
  return Promise.all(
    tools.map(async (tool) => ({
      tool,
      version: await versionOf(tool),
      needed: tool.neededFor.includes(builder),
    })),
  );
}

async function versionOf(tool: Tool): Promise<string | null> {
  const [program, ...args] = tool.version;
  const result = await execa(program, args, {
    all: true,
    reject: false,
    timeout: 20_000,
    // Debian keeps mkfs and extlinux outside an ordinary user's path; Packer may ask its maker about updates.
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, CHECKPOINT_DISABLE: '1' },
  });
  if (result.code === 'ENOENT') return null;
  return tool.pattern.exec(result.all ?? '')?.[1] ?? 'present, version unknown';
}

export const missing = (findings: readonly ToolFinding[]): Tool[] =>
  findings.filter((finding) => finding.needed && finding.version === null).map((finding) => finding.tool);

/** The commands that would install these tools, for a person to run. */
export function installCommands(absent: readonly Tool[]): string[] {
  const packages = packagesOf(absent);
  return [
    ...(packages.length > 0
      ? ['apt-get update', `apt-get install --no-install-recommends --yes ${packages.join(' ')}`]
      : []),
    ...absent.filter((tool) => !tool.package).map((tool) => `# ${tool.name}: see ${tool.source}`),
  ];
}

const packagesOf = (absent: readonly Tool[]) =>
  [...new Set(absent.flatMap((tool) => tool.package ?? []))].sort();

/** @throws Refused('environment') where this machine is not Debian or Ubuntu, or we are not root. */
export async function install(
  absent: readonly Tool[],
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const packages = packagesOf(absent);
  const unpackaged = absent.filter((tool) => !tool.package);
  if (packages.length > 0) {
    const reason = cannotInstall();
    if (reason) {
      throw new Refused(
        'environment',
        reason,
        `Run these yourself:\n  ${installCommands(absent).join('\n  ')}`,
      );
    }
    await progress.step(`install ${packages.join(', ')}`, async (step) => {
      const shell = $({ quiet: true, signal, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
      step.update('apt-get update');
      try {
        await overNetwork(() => shell`apt-get update -q`, { signal, progress: step });
        step.update(`apt-get install: ${packages.length} packages and what they depend on`);
        await overNetwork(() => shell`apt-get install --no-install-recommends --yes -q ${packages}`, {
          signal,
          progress: step,
        });
      } catch (error) {
        throw new Refused(
          'environment',
          `apt-get failed: ${lastLines(reasonOf(error))}`,
          `Run these yourself and read what they say:\n  ${installCommands(absent).join('\n  ')}`,
          { cause: error },
        );
      }
    });
  }
  if (unpackaged.length > 0) {
    throw new Refused(
      'environment',
      `No package has ${unpackaged.map((tool) => tool.name).join(', ')}.`,
      installCommands(unpackaged).join('\n'),
    );
  }
}

/** @throws Refused('environment') naming every tool this configuration needs and this machine lacks. */
export async function requireTools(builder: Config['image']['builder']): Promise<ToolFinding[]> {
  const findings = await examine(builder);
  const absent = missing(findings);
  if (absent.length === 0) return findings;
  throw new Refused(
    'environment',
    `Missing: ${absent.map((tool) => `${tool.name} (${tool.purpose})`).join(', ')}.`,
    `Run \`npx drover doctor --install\` as root, or:\n  ${installCommands(absent).join('\n  ')}`,
  );
}

/**
 * That a program of the user's can be started: named by its path, or found on PATH.
 * @throws Refused('environment') naming the program and `setting`, which names it
 */
export function requireProgram(program: string, setting: string): void {
  const fault = faultOf(program);
  if (fault === null) return;
  throw new Refused(
    'environment',
    `${program}, which ${setting} names, ${fault}`,
    `Install it, or correct ${setting} in drover.yaml.`,
  );
}

/** Why a program cannot be started, named by its path or to be found on PATH; null when it can. */
export function faultOf(program: string): string | null {
  const isPath = program.includes('/');
  const places = isPath
    ? [program]
    : (process.env.PATH ?? '').split(':').map((place) => join(place, program));
  if (places.some(isExecutable)) return null;
  return isPath ? 'cannot be run' : 'is not on the PATH';
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function cannotInstall(): string | null {
  if (process.getuid?.() !== 0) return 'Installing packages needs root.';
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    return 'This machine has no /etc/os-release, so it is not Debian or Ubuntu.';
  }
  const ids = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) =>
    match[1]!.split(' '),
  );
  return ids.includes('debian') ? null : `This is ${ids[0] ?? 'an unknown system'}, not Debian or Ubuntu.`;
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-5).join('\n');
