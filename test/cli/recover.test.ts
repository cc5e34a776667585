/** A machine is gone and the journal with it; the group it was rolling is put back from another one. */
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sandbox, scannedRelease } from './drover.ts';

test('a group is recovered from its marks alone, with a record of its own that verifies', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const box = sandbox();
  onTestFinished(box.remove);
  const release = await scannedRelease(box);
  const before = (await box.groups()).find(({ name }) => name === 'web-staging')!;
  const home = join(box.state, 'releases', release);
  const baking = box.start('bake', release);
  while (!/"action":"update".*"status":"done"/s.test(readFileSync(join(home, 'journal.jsonl'), 'utf8'))) {
    await delay(50);
  }
  baking.kill('SIGKILL');
  await baking;

  const held = await box.drover('recover', 'web-staging');
  expect(held.exitCode, held.stderr).toBe(4);
  expect(held.stderr).toContain(`drover resume ${release}`);

  renameSync(home, join(box.directory, 'lost'));
  const looked = await box.drover('recover', 'web-staging', '--dry-run', '--json');
  expect(looked.exitCode, looked.stderr).toBe(0);
  expect(JSON.parse(looked.stdout)).toMatchObject({
    recovery: null,
    report: { of: release, instances: null, undone: expect.arrayContaining(['template version 2 → 1']) },
  });

  const done = await box.drover('recover', 'web-staging', '--reason', 'runner lost');
  expect(done.exitCode, done.stderr).toBe(0);
  expect(done.stdout).toContain(`marks of release ${release}`);
  const after = (await box.groups()).find(({ name }) => name === 'web-staging')!;
  const { images: _, ...settings } = before;
  expect(after).toMatchObject(settings);
  expect(after.images).toHaveLength(before.desired);

  const status = await box.drover('status');
  expect(status.stdout).toContain('web-staging was put back from the marks');
  expect(status.stdout).toContain('runner lost');
  expect((await box.drover('evidence', 'verify')).exitCode).toBe(0);
  expect(await box.drover('recover', 'web-staging')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('carries no marks'),
  });
});

test('a group that the configuration does not name, or that does not exist, is refused', async ({
  onTestFinished,
}) => {
  const box = sandbox();
  onTestFinished(box.remove);
  const unnamed = await box.drover('recover', 'nobody');
  expect(unnamed.exitCode).toBe(2);
  expect(unnamed.stderr).toContain('no wave of the fleet names group nobody');
});
