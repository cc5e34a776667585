/**
 * An exclusive lock on a directory, shared by every Drover process that sees the same file system. Decides who
 * holds it and when a dead holder may be replaced; never waits.
 *
 * How: the lock is a directory of numbered claims, `000007.json`. The highest number is the truth: it names the
 * holder, or says it was released. To claim is to link a finished file to the next number, which the file system
 * grants to exactly one process (link(2) fails with EEXIST), so two processes that both see a dead holder cannot
 * both replace it. The highest claim is never deleted, only marked released, so the numbers only grow.
 */
import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Clock, timestamp } from '../clock.ts';
import { Refused, Stuck } from '../errors.ts';
import { canonical } from '../json.ts';
import { isGone, thisProcess } from './process-identity.ts';
import { errorCode, makeDirectory, storageRefused, syncDirectory, writeNewFile } from './storage.ts';

const claimShape = z.strictObject({
  /** What the lock is held for: a release id. */
  owner: z.string(),
  process: z.strictObject({
    pid: z.int(),
    host: z.string(),
    namespace: z.string().nullable(),
    started: z.string().nullable(),
  }),
  /** Tells two claims of one process apart. */
  token: z.string(),
  since: z.string(),
  expiresAt: z.string(),
  released: z.boolean(),
});
export type Claim = z.output<typeof claimShape>;

export interface Lock {
  readonly claim: Claim;
  /** Moves the expiry to now + ttl. Throws Stuck when somebody else has taken the lock over. */
  renew(): Promise<void>;
  /** Idempotent. A lock that was taken over meanwhile is left to its new holder. */
  release(): Promise<void>;
}

export type LockAttempt = { held: true; lock: Lock } | { held: false; by: Claim };

export interface LockRequest {
  directory: string;
  owner: string;
  clock: Clock;
  ttlMs: number;
}

/**
 * Takes the lock if it is free, released, or its holder is gone: the process has ended (same host), or, where
 * that cannot be known, the claim has expired.
 */
export async function claimLock(request: LockRequest): Promise<LockAttempt> {
  const { directory, owner, clock, ttlMs } = request;
  try {
    await makeDirectory(directory);
    // Bounded: each round lost means that another process won one.
    for (let round = 0; round < 100; round++) {
      const highest = await highestClaim(directory);
      if (highest && !mayReplace(highest.claim, clock.now())) return { held: false, by: highest.claim };
      const now = clock.now();
      const claim: Claim = {
        owner,
        process: thisProcess(),
        token: randomUUID(),
        since: timestamp(now),
        expiresAt: timestamp(now + ttlMs),
        released: false,
      };
      const number = (highest?.number ?? 0) + 1;
      if (await place(directory, number, claim))
        return { held: true, lock: holdLock(request, number, claim) };
    }
  } catch (error) {
    throw error instanceof Refused ? error : storageRefused('take the lock', directory, error);
  }
  throw new Refused('busy', `the lock ${directory} keeps changing hands`, 'Wait a moment and try again.');
}

/** Links a finished claim file to its number; false when another process was faster. */
async function place(directory: string, number: number, claim: Claim): Promise<boolean> {
  const finished = join(directory, `.${claim.token}`);
  await writeNewFile(finished, canonical(claim));
  try {
    await link(finished, join(directory, claimName(number)));
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(finished, { force: true });
  }
  await syncDirectory(directory);
  const numbers = await claimNumbers(directory);
  if (numbers.at(-1) !== number) {
    // The number had been used and cleared away by faster processes: the claim never counted.
    await rm(join(directory, claimName(number)), { force: true });
    return false;
  }
  // The predecessor stays, so that a slow reader still meets a number it knows of.
  for (const spent of numbers.filter((n) => n < number - 1)) {
    await rm(join(directory, claimName(spent)), { force: true });
  }
  return true;
}

function holdLock({ directory, clock, ttlMs }: LockRequest, number: number, claim: Claim): Lock {
  const path = join(directory, claimName(number));
  let current = claim;
  let released = false;

  async function rewrite(next: Claim): Promise<void> {
    const finished = join(directory, `.${randomUUID()}`);
    await writeNewFile(finished, canonical(next));
    await rename(finished, path);
    await syncDirectory(directory);
    current = next;
  }
  const isMine = async () => (await highestClaim(directory))?.claim.token === claim.token;

  return {
    get claim() {
      return current;
    },
    async renew() {
      if (released) throw new Error('renew() of a lock that was released');
      try {
        if (!(await isMine())) throw await takenOver();
        await rewrite({ ...current, expiresAt: timestamp(clock.now() + ttlMs) });
        // Looked at again: a takeover between the first look and the write would otherwise go unnoticed.
        if (!(await isMine())) throw await takenOver();
      } catch (error) {
        throw error instanceof Stuck || error instanceof Refused
          ? error
          : storageRefused('renew the lock', path, error);
      }
    },
    async release() {
      if (released) return;
      released = true;
      try {
        if (await isMine()) await rewrite({ ...current, released: true });
      } catch (error) {
        throw error instanceof Refused ? error : storageRefused('release the lock', path, error);
      }
    },
  };

  async function takenOver(): Promise<Stuck> {
    const by = (await highestClaim(directory))?.claim;
    const whom = by ? `${by.owner} (${describeProcess(by)})` : 'an unknown process';
    return new Stuck(
      `this process lost the lock ${directory} to ${whom}: it had not been renewed in time`,
      `Look at what happened with \`drover status ${current.owner}\`, then \`drover resume ${current.owner}\`.`,
    );
  }
}

function mayReplace(claim: Claim, nowMs: number): boolean {
  if (claim.released) return true;
  const gone = isGone(claim.process);
  return gone === 'unknown' ? Date.parse(claim.expiresAt) <= nowMs : gone;
}

/** e.g. 'pid 4711 on build-host since 2026-11-22T06:41:20.000Z'. */
export const describeProcess = (claim: Claim): string =>
  `pid ${claim.process.pid} on ${claim.process.host} since ${claim.since}`;

/** What can be done when the holder is on a machine that this one cannot ask; '' when it can. */
export const remedyElsewhere = (claim: Claim, lockDirectory: string): string =>
  isGone(claim.process) === 'unknown'
    ? ` Should ${claim.process.host} be gone for good, delete ${lockDirectory}; after ${claim.expiresAt} that is not needed.`
    : '';

const claimName = (number: number) => `${String(number).padStart(6, '0')}.json`;

async function claimNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => /^\d{6,}\.json$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}

async function highestClaim(directory: string): Promise<{ number: number; claim: Claim } | null> {
  const number = (await claimNumbers(directory)).at(-1);
  if (number === undefined) return null;
  const path = join(directory, claimName(number));
  try {
    return { number, claim: claimShape.parse(JSON.parse(await readFile(path, 'utf8'))) };
  } catch (error) {
    // Cleared away between the listing and the read: somebody holds a higher number by now.
    if (errorCode(error) === 'ENOENT') return highestClaim(directory);
    if (errorCode(error) !== undefined) throw error;
    throw new Refused(
      'environment',
      `the lock file ${path} is damaged`,
      'Make sure that no Drover process is using this state, then delete the file.',
      { cause: error },
    );
  }
}
