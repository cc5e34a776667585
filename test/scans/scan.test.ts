import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../pipeline/clock.ts';
import { Refused } from '../../pipeline/errors.ts';
import type { ImageRecord } from '../../pipeline/image.ts';
import { sha256 } from '../../pipeline/json.ts';
import { silent } from '../../pipeline/report/progress.ts';
import { checks } from '../../scans/judge.ts';
import { type ScanOptions, scanImage } from '../../scans/scan.ts';
import { verdictOf, writeJsonArtifact } from '../../scans/verdict.ts';
import { imageRecord } from '../image-record.ts';

const clock: Clock = { now: () => Date.UTC(2026, 0, 1), sleep: async () => {} };

describe('a scan', () => {
  let directory: string;
  let path: string | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    path = process.env.PATH;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  });

  const optionsFor = (change: Partial<ScanOptions> = {}): ScanOptions => {
    const diskPath = join(directory, 'disk.qcow2');
    writeFileSync(diskPath, 'not a disk');
    writeFileSync(join(directory, 'content.xml'), '<nothing/>');
    writeFileSync(join(directory, 'tailoring.xml'), '<nothing/>');
    const image = imageRecord({
      disk: { name: 'disk', path: 'disk.qcow2', sha256: sha256('not a disk'), bytes: 10, format: 'qcow2' },
    });
    return {
      image,
      diskPath,
      content: {
        file: join(directory, 'content.xml'),
        sha256: sha256('<nothing/>'),
        version: '1',
        package: 'x',
      },
      tailoring: { path: join(directory, 'tailoring.xml'), profileId: 'p' },
      waivers: [],
      outputDir: join(directory, 'release/scan'),
      releaseDir: join(directory, 'release'),
      cacheDir: join(directory, 'cache'),
      policiesPath: 'scans/policies.yaml',
      budgetPath: 'scans/budget.yaml',
      scanners: [],
      kevPath: null,
      previous: null,
      accelerator: 'tcg',
      clock,
      progress: silent,
      ...change,
    };
  };

  test('whose every tool is missing still gives one failed verdict per check, with a reason, and fails', async () => {
    const options = optionsFor();
    process.env.PATH = directory;
    const verdicts = await scanImage(options);
    expect(verdicts.map(({ check }) => check)).toEqual([...checks, 'policy']);
    for (const { status, reasons } of verdicts) {
      expect(status).toBe('failed');
      expect(reasons.join('').length).toBeGreaterThan(10);
    }
  });
  test('leaves no scratch files behind', async () => {
    const options = optionsFor();
    process.env.PATH = directory;
    await scanImage(options);
    const { readdirSync } = await import('node:fs');
    expect(readdirSync(options.cacheDir)).toEqual([]);
  });
  test('refuses a disk that is not the one of the record', async () => {
    const options = optionsFor();
    writeFileSync(options.diskPath, 'another disk');
    await expect(scanImage(options)).rejects.toMatchObject({ kind: 'unverified' });
  });
  test('refuses a policy file that does not exist, before anything else', async () => {
    const options = optionsFor({ policiesPath: join(directory, 'none.yaml') });
    await expect(scanImage(options)).rejects.toBeInstanceOf(Refused);
    await expect(scanImage(options)).rejects.toMatchObject({ kind: 'invalid' });
  });
  test('refuses an image no local scan is made for', async () => {
    const options = optionsFor();
    const image: ImageRecord = { ...options.image, distribution: 'amazon-linux-2023' };
    await expect(scanImage({ ...options, image })).rejects.toMatchObject({ kind: 'environment' });
  });
  test('that is aborted rejects with the reason and gives no verdict', async () => {
    const stop = new AbortController();
    stop.abort(new Error('the person pressed Ctrl-C'));
    await expect(scanImage(optionsFor({ signal: stop.signal }))).rejects.toThrow(/Ctrl-C|aborted/);
  });
});

describe('a verdict', () => {
  const context = { imageId: 'img-1', releaseDir: '/r', outputDir: '/r/scan', clock };
  test('of a check that throws is failed, with the first lines of the reason', async () => {
    const verdict = await verdictOf(context, 'sbom', () =>
      Promise.reject(new Error('first\n\n  second\nthird\nfourth')),
    );
    expect(verdict).toEqual({
      imageId: 'img-1',
      check: 'sbom',
      status: 'failed',
      reasons: ['the sbom check could not be made: first — second'],
      facts: { seconds: 0 },
      artifacts: [],
      at: '2026-01-01T00:00:00.000Z',
    });
  });
  test('is not made of an abort', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(
      verdictOf({ ...context, signal }, 'boot', () => Promise.reject(new Error('killed'))),
    ).rejects.toThrow('stopped');
  });
  test('names its artifacts relative to the release, with size and digest', async () => {
    const releaseDir = mkdtempSync(join(tmpdir(), 'drover-test-'));
    const outputDir = join(releaseDir, 'scan');
    const artifact = await writeJsonArtifact({ releaseDir, outputDir }, 'a.json', { ü: 1 });
    const bytes = readFileSync(join(releaseDir, artifact.path));
    expect(artifact).toEqual({
      name: 'a.json',
      path: 'scan/a.json',
      sha256: sha256(bytes),
      bytes: bytes.length,
    });
    rmSync(releaseDir, { recursive: true });
  });
});
