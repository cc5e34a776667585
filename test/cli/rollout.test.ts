/** Releases on their way through bake and rollout, over HTTP, as processes that are stopped, killed and resumed. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Sandbox, sandbox, scannedRelease } from './drover.ts';

async function prepared(onTestFinished: (cleanUp: () => void) => void, env: Record<string, string> = {}) {
  const box = sandbox(undefined, env);
  onTestFinished(box.remove);
  const release = await scannedRelease(box);
  return { box, release, before: await box.groups() };
}

/** Waits until the release's journal satisfies `met`; the test's own timeout bounds it. */
async function journalShows(box: Sandbox, release: string, met: (text: string) => boolean): Promise<void> {
  const file = join(box.state, 'releases', release, 'journal.jsonl');
  while (!met(readFileSync(file, 'utf8'))) await delay(50);
}

const instancesMoved = (text: string) => text.includes('"action":"terminate"');

async function expectPromoted(box: Sandbox, release: string, before: Awaited<ReturnType<Sandbox['groups']>>) {
  const { image, status, unfinished } = await box.release(release);
  expect(status).toBe('promoted');
  expect(unfinished).toEqual([]);
  for (const group of await box.groups()) {
    const baseline = before.find(({ name }) => name === group.name)!;
    expect(new Set(group.images), group.name).toEqual(new Set([image!.id]));
    expect(group).toMatchObject({
      desired: baseline.desired,
      min: baseline.min,
      max: baseline.max,
      suspended: baseline.suspended,
      version: '2',
    });
    expect(group.images).toHaveLength(baseline.desired);
    expect(group.tags).toEqual(baseline.tags);
  }
}

// Real time passes here: instances boot, drain and soak for seconds each, and all five releases run at once.
describe.concurrent('a release', { timeout: 240_000 }, () => {
  test('is baked and rolled out, stage by stage, leaves evidence that verifies, and can be rolled back later', async ({
    onTestFinished,
  }) => {
    const page = mkdtempSync(join(tmpdir(), 'drover-page-'));
    onTestFinished(() => rmSync(page, { recursive: true }));
    const summary = join(page, 'summary.md');
    const { box, release, before } = await prepared(onTestFinished, { GITHUB_STEP_SUMMARY: summary });
    const early = await box.drover('rollout', release);
    expect(early).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('has not passed bake') });

    const baked = await box.drover('bake', release);
    expect(baked.stderr).toBe('');
    expect(baked.exitCode).toBe(0);
    const rolled = await box.drover('rollout', release);
    expect(rolled).toMatchObject({ exitCode: 0, stderr: '' });
    await expectPromoted(box, release, before);
    expect(readFileSync(summary, 'utf8')).toContain(release);

    const verified = await box.drover('evidence', 'verify', '--json');
    expect(verified.exitCode, verified.stderr).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ release, status: 'promoted' });

    const rescanned = await box.drover('scan', release);
    expect(rescanned).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is over: promoted') });
    expect((await box.release(release)).status).toBe('promoted');

    const back = await box.drover('rollback', release, '--reason', 'a customer complained');
    expect(back.exitCode, back.stderr).toBe(0);
    for (const group of await box.groups()) {
      expect(group).toEqual({ ...before.find(({ name }) => name === group.name), images: expect.anything() });
    }
    expect((await box.release(release)).status).toBe('rolled-back');
    expect((await box.drover('evidence', 'verify')).exitCode).toBe(0);
  });

  test('whose image goes bad in production is rolled back by itself, with exit code 6', async ({
    onTestFinished,
  }) => {
    const { box, release, before } = await prepared(onTestFinished);
    expect((await box.drover('bake', release)).exitCode).toBe(0);
    // An evidence key that cannot be read must not hide how the release ended.
    const key = join(box.state, 'keys', 'evidence-ed25519.pem');
    mkdirSync(dirname(key), { recursive: true });
    writeFileSync(key, 'not a key');
    const rolled = await box.drover('rollout', release, '--fault', 'unhealthy');
    expect(rolled.stdout).toContain('the evidence was not exported');
    expect(rolled.exitCode, rolled.stderr).toBe(6);
    rmSync(key);
    expect((await box.drover('evidence', 'export', release)).exitCode).toBe(0);
    expect(rolled.stderr).toContain('every group is back on its previous version');
    for (const group of await box.groups()) {
      const baseline = before.find(({ name }) => name === group.name)!;
      expect(group).toEqual({ ...baseline, images: expect.anything() });
      expect(new Set(group.images), group.name).toEqual(new Set(baseline.images));
    }
    const { status, rollbacks } = await box.release(release);
    expect(status).toBe('rolled-back');
    expect(rollbacks).toHaveLength(1);
    expect((await box.drover('evidence', 'verify')).exitCode).toBe(0);
  });

  test('that is killed in mid-rollout blocks a new one, and is resumed to the end', async ({
    onTestFinished,
  }) => {
    const { box, release, before } = await prepared(onTestFinished);
    expect((await box.drover('bake', release)).exitCode).toBe(0);
    const child = box.start('rollout', release);
    await journalShows(box, release, (text) => text.includes('"wave":"first"') && instancesMoved(text));
    child.kill('SIGKILL');
    await child;

    const another = await box.drover('run', '--reason', 'next week');
    expect(another).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining(`drover resume ${release}`),
    });

    const other = await scannedRelease(box, 'r-20261122-000001-othr');
    const baked = await box.drover('bake', other);
    expect(baked).toMatchObject({ exitCode: 4, stderr: expect.stringContaining(`drover resume ${release}`) });

    const resumed = await box.drover('resume', release);
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    await expectPromoted(box, release, before);
  });

  test('that is stopped with SIGINT says how to go on, and goes on', async ({ onTestFinished }) => {
    const { box, release, before } = await prepared(onTestFinished);
    const child = box.start('bake', release);
    await journalShows(box, release, (text) => text.includes('"wave.started"'));
    child.kill('SIGINT');
    const { exitCode, stderr } = await child;
    expect(exitCode, stderr).toBe(130);
    expect(stderr).toContain(`drover resume ${release}`);
    expect((await box.release(release)).status).toBe('interrupted');

    const resumed = await box.drover('resume', release);
    expect(resumed.exitCode, resumed.stderr).toBe(0);
    await expectPromoted(box, release, before);
  });

  test('keeps others away from its groups while it runs', async ({ onTestFinished }) => {
    const { box, release } = await prepared(onTestFinished);
    const other = await scannedRelease(box, 'r-20261122-000001-othr');
    const child = box.start('bake', release);
    await journalShows(box, release, (text) => text.includes('"stage":"bake"'));
    const second = await box.drover('bake', other);
    expect(second.exitCode).toBe(4);
    expect(second.stderr).toContain(release);
    expect((await child).exitCode).toBe(0);
  });
});
