/**
 * Which process holds a lock, and whether it still lives. A pid alone is reused sooner or later, so on Linux
 * the identity also holds the boot, the process's start time (proc_pid_stat(5), field 22) and the pid namespace,
 * because pids of another container mean nothing here. Where these cannot be read, the answer is 'unknown' and
 * the lock's expiry decides.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  pid: number;
  host: string;
  /** The pid namespace, e.g. 'pid:[4026531836]'; null where there is no such thing. */
  namespace: string | null;
  /** `<boot id>/<start time in ticks>`; null where it cannot be known. */
  started: string | null;
}

export const thisProcess = (): ProcessIdentity => ({
  pid: process.pid,
  host: hostname(),
  namespace: pidNamespace(),
  started: procEntry(process.pid)?.started ?? null,
});

/** True: it has ended. False: it is running. 'unknown': another host or container, or a pid that proves nothing. */
export function isGone(identity: ProcessIdentity): boolean | 'unknown' {
  if (identity.host !== hostname() || identity.namespace !== pidNamespace()) return 'unknown';
  if (!pidExists(identity.pid)) return true;
  const entry = procEntry(identity.pid);
  if (identity.started === null || entry === null) return 'unknown';
  return entry.ended || entry.started !== identity.started;
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

const pidNamespace = () => orNull(() => readlinkSync('/proc/self/ns/pid'));

/** `ended`: a zombie has a pid, but will never act again. */
function procEntry(pid: number): { started: string; ended: boolean } | null {
  return orNull(() => {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 2 is the command in parentheses and may hold anything, so fields are counted from the last ')'.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { started: `${boot}/${fields[19]}`, ended: fields[0] === 'Z' || fields[0] === 'X' };
  });
}

/** Absence of /proc (macOS, hidepid) is an answer here, not a failure. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
