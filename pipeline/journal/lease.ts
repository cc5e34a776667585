/**
 * Leases: two releases never act on one group at once. A lease is a lock per group under STATE/leases, held by a
 * release, with an expiry that its holder keeps moving while it works. All or nothing, in sorted order, so that
 * two releases that want the same groups cannot hold half each.
 *
 * Use `withLeases`: it renews for as long as `work` runs, hands it a signal that aborts should the lease be lost,
 * and releases on every way out. `acquireLeases` is for callers that already have a tick of their own to renew in.
 */
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { Refused } from '../errors.ts';
import { type Claim, claimLock, describeProcess, type Lock, remedyElsewhere } from './lock.ts';

/**
 * Long enough that a laptop's short sleep or a slow disk does not lose a rollout its groups, short enough that
 * on-call need not wait long for a dead machine's lease (a dead process on the same machine is seen at once).
 */
export const defaultLeaseTtlMs = 120_000;

export interface LeaseRequest {
  /** STATE/leases. */
  directory: string;
  /** Group names; duplicates are ignored. */
  resources: readonly string[];
  /** Release id. */
  owner: string;
  clock: Clock;
  ttlMs?: number;
}

export interface Leases {
  readonly resources: readonly string[];
  /** Moves every expiry to now + ttl; call it at least every ttl/3. Throws Stuck when one was taken over. */
  renew(): Promise<void>;
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Takes a lease on every resource or on none. Throws Refused 'busy' naming the group, the holding release, its
 * process and since when; Refused 'environment' when the directory cannot be written.
 */
export async function acquireLeases(request: LeaseRequest): Promise<Leases> {
  const { directory, owner, clock, ttlMs = defaultLeaseTtlMs } = request;
  const resources = [...new Set(request.resources)].sort();
  const locks: Lock[] = [];
  const release = async () => {
    for (const lock of locks.splice(0)) await lock.release();
  };
  try {
    for (const resource of resources) {
      const attempt = await claimLock({
        directory: leaseDirectory(directory, resource),
        owner,
        clock,
        ttlMs,
      });
      if (!attempt.held) throw heldByOther(resource, attempt.by, leaseDirectory(directory, resource));
      locks.push(attempt.lock);
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    resources,
    async renew() {
      for (const lock of locks) await lock.renew();
    },
    release,
  };
}

/** Runs `work` under leases. `signal` aborts with the reason (Stuck) when a lease could not be kept. */
export async function withLeases<T>(
  request: LeaseRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const leases = await acquireLeases(request);
  const lost = new AbortController();
  const finished = new AbortController();
  const heartbeat = beat();
  try {
    return await work(lost.signal);
  } finally {
    finished.abort();
    await heartbeat;
    await leases.release();
  }

  async function beat(): Promise<void> {
    while (!finished.signal.aborted) {
      try {
        await request.clock.sleep((request.ttlMs ?? defaultLeaseTtlMs) / 3, finished.signal);
        await leases.renew();
      } catch (error) {
        if (!finished.signal.aborted) lost.abort(error);
        return;
      }
    }
  }
}

/** Group names may hold '/', which a file name may not. */
const leaseDirectory = (directory: string, resource: string) => join(directory, encodeURIComponent(resource));

function heldByOther(resource: string, by: Claim, lockDirectory: string): Refused {
  return new Refused(
    'busy',
    `group ${resource} is held by release ${by.owner} (${describeProcess(by)}, lease until ${by.expiresAt})`,
    `Look at it with \`drover status ${by.owner}\`; wait for it to end, or stop it with Ctrl-C where it runs.` +
      remedyElsewhere(by, lockDirectory),
  );
}
