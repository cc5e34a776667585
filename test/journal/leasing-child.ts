/** Run as a child process: takes leases (argv: directory, owner, groups…), says how it went, and holds them. */
import { writeSync } from 'node:fs';
import { wallClock } from '../../pipeline/clock.ts';
import { reasonOf } from '../../pipeline/errors.ts';
import { acquireLeases } from '../../pipeline/journal/lease.ts';

const [, , directory = '', owner = '', ...resources] = process.argv;
try {
  await acquireLeases({ directory, resources, owner, clock: wallClock });
  writeSync(1, `held ${owner}\n`);
} catch (error) {
  writeSync(1, `busy ${reasonOf(error)}\n`);
}
await wallClock.sleep(60_000);
