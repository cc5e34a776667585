import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { acquireLeases, withLeases } from '../../pipeline/journal/lease.ts';
import { manualClock, scratchDirectory } from './bench.ts';

/** A claim as a process on another machine would have left it; it can only be judged by its expiry. */
async function claimFromElsewhere(
  directory: string,
  group: string,
  expiresAt: string,
  number = 1,
): Promise<void> {
  const path = join(directory, encodeURIComponent(group));
  await mkdir(path, { recursive: true });
  const process = { pid: 4711, host: 'elsewhere.example', namespace: null, started: null };
  const since = '2026-11-22T06:00:00.000Z';
  const claim = { owner: 'r-elsewhere', process, token: `t${number}`, since, expiresAt, released: false };
  await writeFile(join(path, `${String(number).padStart(6, '0')}.json`), JSON.stringify(claim));
}

describe('leases', () => {
  it('are refused while another release holds one, naming group, release, process, since when, and the command', async () => {
    const directory = await scratchDirectory();
    const clock = manualClock();
    const leases = await acquireLeases({ directory, resources: ['web', 'worker'], owner: 'r-1', clock });
    const attempt = acquireLeases({ directory, resources: ['api', 'worker'], owner: 'r-2', clock });
    await expect(attempt).rejects.toMatchObject({
      kind: 'busy',
      message: expect.stringMatching(
        new RegExp(
          `group worker is held by release r-1 \\(pid ${process.pid} on .+ since 2026-11-22T06:34:12.000Z`,
        ),
      ),
      remedy: expect.stringContaining('drover status r-1'),
    });
    // All or nothing: 'api' is free again.
    await (await acquireLeases({ directory, resources: ['api'], owner: 'r-3', clock })).release();
    await leases.release();
    await leases.release();
    await (await acquireLeases({ directory, resources: ['api', 'worker'], owner: 'r-2', clock })).release();
  });

  it('stay with a living process of this machine, even past their expiry', async () => {
    const directory = await scratchDirectory();
    const clock = manualClock();
    await acquireLeases({ directory, resources: ['web'], owner: 'r-1', clock, ttlMs: 1000 });
    clock.advance(3600_000);
    const attempt = acquireLeases({ directory, resources: ['web'], owner: 'r-2', clock });
    // On Linux the process proves itself; elsewhere a pid alone may have been reused, so the expiry decides.
    if (process.platform === 'linux') await expect(attempt).rejects.toMatchObject({ kind: 'busy' });
    else await attempt;
  });

  it('of another machine hold until they expire, and not longer', async () => {
    const directory = await scratchDirectory();
    const clock = manualClock();
    await claimFromElsewhere(directory, 'web', '2026-11-22T06:35:00.000Z');
    const request = { directory, resources: ['web'], owner: 'r-1', clock };
    await expect(acquireLeases(request)).rejects.toMatchObject({
      kind: 'busy',
      message: expect.stringContaining('pid 4711 on elsewhere.example'),
      remedy: expect.stringContaining(`delete ${join(directory, 'web')}; after 2026-11-22T06:35:00.000Z`),
    });
    clock.advance(60_000);
    await (await acquireLeases(request)).release();
  });

  it('that were taken over are noticed at the next renewal, and left to the new holder', async () => {
    const directory = await scratchDirectory();
    const clock = manualClock();
    const leases = await acquireLeases({ directory, resources: ['web'], owner: 'r-1', clock });
    await claimFromElsewhere(directory, 'web', '2026-11-22T08:00:00.000Z', 2);
    await expect(leases.renew()).rejects.toMatchObject({
      kind: 'stuck',
      message: expect.stringContaining('r-elsewhere'),
    });
    await leases.release();
    const attempt = acquireLeases({ directory, resources: ['web'], owner: 'r-2', clock });
    await expect(attempt).rejects.toMatchObject({ kind: 'busy' });
  });

  it('leave no more than two small files per group, however often they are taken', async () => {
    const directory = await scratchDirectory();
    for (let n = 0; n < 20; n++) {
      const leases = await acquireLeases({
        directory,
        resources: ['web'],
        owner: `r-${n}`,
        clock: manualClock(),
      });
      await leases.renew();
      await leases.release();
    }
    expect(await readdir(join(directory, 'web'))).toEqual(['000019.json', '000020.json']);
  });

  it('are refused with the file and a remedy when a lease file is damaged', async () => {
    const directory = await scratchDirectory();
    await mkdir(join(directory, 'web'));
    await writeFile(join(directory, 'web', '000001.json'), '{"owner":');
    const attempt = acquireLeases({ directory, resources: ['web'], owner: 'r-1', clock: manualClock() });
    await expect(attempt).rejects.toMatchObject({
      kind: 'environment',
      message: expect.stringContaining(join(directory, 'web', '000001.json')),
    });
  });
});

describe('work under leases', () => {
  it('keeps them renewed as long as it runs, and gives them back when it ends', async () => {
    const directory = await scratchDirectory();
    const clock = manualClock();
    const request = { directory, resources: ['web'], owner: 'r-1', clock, ttlMs: 3000 };
    const before = clock.now();
    const result = await withLeases(request, async (signal) => {
      // The heartbeat's sleeps move this clock: wait until a few expiries have gone by.
      while (clock.now() < before + 5 * 3000) await wallClock.sleep(1);
      const other = acquireLeases({ ...request, owner: 'r-2' });
      await expect(other).rejects.toMatchObject({ kind: 'busy' });
      expect(signal.aborted).toBe(false);
      return 'done';
    });
    expect(result).toBe('done');
    await (await acquireLeases({ ...request, owner: 'r-2' })).release();
  });

  it('gives them back when it throws, and passes the error on', async () => {
    const directory = await scratchDirectory();
    const request = { directory, resources: ['web'], owner: 'r-1', clock: wallClock };
    const failing = withLeases(request, async () => {
      throw new Error('no luck');
    });
    await expect(failing).rejects.toThrow('no luck');
    await (await acquireLeases({ ...request, owner: 'r-2' })).release();
  });

  it('is told by its signal when a lease was lost', async () => {
    const directory = await scratchDirectory();
    const request = { directory, resources: ['web'], owner: 'r-1', clock: wallClock, ttlMs: 30 };
    const reason = await withLeases(request, async (signal) => {
      await claimFromElsewhere(directory, 'web', '2099-01-01T00:00:00.000Z', 2);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return signal.reason;
    });
    expect(reason).toMatchObject({ kind: 'stuck' });
  });
});
