/** The world on disk: one JSON file, replaced whole, so that a crash leaves the world before or after a request. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Refused, reasonOf } from '../errors.ts';
import type { World } from './model/state.ts';

/** Null when nothing was saved yet. Refuses a file that is not a world of this version. */
export function loadWorld(path: string): World | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unreadable(path, reasonOf(error), error);
  }
  let world: World;
  try {
    world = JSON.parse(text) as World;
  } catch (error) {
    throw unreadable(path, 'it is not JSON', error);
  }
  if (world.schema !== 'drover/simulator-world@2') throw unreadable(path, 'it is no world of this version');
  return world;
}

const unreadable = (path: string, reason: string, cause?: unknown): Refused =>
  new Refused(
    'environment',
    `The simulated account in ${path} cannot be used: ${reason}`,
    'Move the file away to begin with a new simulated account.',
    { cause },
  );

export function saveWorld(path: string, world: World): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const directory = dirname(path);
    mkdirSync(directory, { recursive: true });
    const file = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(file, JSON.stringify(world));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncDirectory(directory);
  } catch (error) {
    throw new Refused(
      'environment',
      `The simulated account cannot be saved to ${path}: ${reasonOf(error)}`,
      'Give a writable state directory with --state DIR.',
      { cause: error },
    );
  }
}

/** Makes the rename itself durable. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
