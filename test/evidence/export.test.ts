import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { exportEvidence } from '../../pipeline/evidence/export.ts';
import { verifyEvidence } from '../../pipeline/evidence/verify.ts';
import { createJournal, openJournal, readJournal } from '../../pipeline/journal/directory.ts';
import { releaseDirectory } from '../../pipeline/journal/releases.ts';
import { sha256 } from '../../pipeline/json.ts';
import { opened, scratchDirectory } from '../journal/bench.ts';
import { toldState } from './bench.ts';

const run = promisify(execFile);

/** LibreSSL and older OpenSSL cannot sign raw data on the command line. */
const hasOpenSsl3 = /^OpenSSL [3-9]/.test(
  spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '',
);

describe('an exported bundle', () => {
  it('holds the journal, everything it names but the disk, what follows from it, and the signed list', async () => {
    const state = await toldState();
    const bundle = await state.export();
    expect(bundle.directory).toBe(join(state.directory, 'evidence'));
    const files = (await readdir(bundle.directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(bundle.directory.length + 1));
    expect(files.sort()).toEqual([
      'README.txt',
      'SHA256SUMS',
      'artifacts/image/tailoring.xml',
      'artifacts/image/waivers.json',
      'artifacts/scan/changes.json',
      'artifacts/scan/compliance.json',
      'artifacts/scan/policy.json',
      'artifacts/scan/sbom.cdx.json',
      'artifacts/scan/updates.json',
      'artifacts/scan/vulnerabilities.json',
      'image.json',
      'journal.jsonl',
      'manifest.dsse.json',
      'public-key.pem',
      'report.html',
      'verdicts.json',
    ]);
    expect(bundle.files).toBe(files.length);
    const manifest = await readFile(join(bundle.directory, 'manifest.dsse.json'));
    expect(bundle.manifestSha256).toBe(sha256(manifest));
    const image = JSON.parse(await readFile(join(bundle.directory, 'image.json'), 'utf8'));
    expect(image.disk.sha256).toBe(sha256('the disk'));
    expect(await readJournal(join(bundle.directory, 'journal.jsonl'))).toHaveLength(174);
  });

  it.runIf(hasOpenSsl3)('is verified by the commands its own README gives, without Drover', async () => {
    const bundle = await (await toldState()).export();
    const readme = await readFile(join(bundle.directory, 'README.txt'), 'utf8');
    const commands = readme
      .split('\n')
      .filter((line) => line.startsWith('    '))
      .map((line) => line.trim());
    expect(commands.length).toBeGreaterThan(8);
    const { stdout } = await run('bash', ['-ec', commands.join('\n')], { cwd: bundle.directory });
    expect(stdout).toContain('Signature Verified Successfully');
    expect(stdout).toMatch(/^1$/m);
    expect(stdout).toContain('174 records, unbroken');
    expect(stdout).toContain(bundle.keyId);
    expect(stdout).not.toContain('FAILED');
  });

  it('is the same to the byte when nothing but the journal decides, whenever and however often it is made', async () => {
    const state = await toldState({ fault: 'unhealthy' });
    const first = await state.export(join(state.stateDirectory, 'one'));
    state.clock.advance(86_400_000);
    const second = await state.export(join(state.stateDirectory, 'two'));
    for (const name of ['report.html', 'README.txt', 'image.json', 'verdicts.json', 'SHA256SUMS']) {
      const texts = [first, second].map((bundle) => readFile(join(bundle.directory, name), 'utf8'));
      expect(await texts[0], name).toBe(await texts[1]);
    }
    expect(second.keyId).toBe(first.keyId);
  });

  it('replaces an earlier bundle of the same release in the same place', async () => {
    const state = await toldState();
    await state.export();
    const journal = await openJournal({ directory: state.directory, clock: state.clock });
    await journal.append({ type: 'release.resumed', data: { actor: 'test', reason: 'later' } });
    await journal.close();
    const again = await state.export();
    expect((await verifyEvidence({ directory: again.directory })).records).toBe(175);
    expect((await readdir(state.directory)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('can be made of a release that failed before there was an image', async () => {
    const stateDirectory = await scratchDirectory();
    const { clock } = await toldState();
    const journal = await createJournal({
      directory: releaseDirectory(stateDirectory, 'r-early'),
      release: 'r-early',
      clock,
    });
    await journal.append(opened('r-early'));
    await journal.append({ type: 'release.closed', data: { outcome: 'failed', reason: 'no packer' } });
    await journal.close();
    const bundle = await exportEvidence({
      stateDirectory,
      release: 'r-early',
      clock,
      droverVersion: '0.1.0',
    });
    expect(await verifyEvidence({ directory: bundle.directory })).toMatchObject({
      status: 'failed',
      imageId: null,
    });
  });

  it('can be made while the release is still being written', async () => {
    const state = await toldState();
    const journal = await openJournal({ directory: state.directory, clock: state.clock });
    await journal.append({ type: 'stage.started', data: { stage: 'evidence' } });
    const bundle = await state.export();
    await journal.close();
    expect((await verifyEvidence({ directory: bundle.directory })).records).toBe(175);
  });

  it('holds the last content of a file that a repeated stage wrote again, and says what was replaced', async () => {
    const state = await toldState();
    const journal = await openJournal({ directory: state.directory, clock: state.clock });
    const text = '{"schema":"drover/updates@1"}';
    await writeFile(join(state.directory, 'scan/updates.json'), text);
    const artifact = { name: 'updates', path: 'scan/updates.json', sha256: sha256(text), bytes: text.length };
    const data = {
      stage: 'scan',
      outcome: 'failed',
      durationMs: 1,
      summary: 'again',
      artifacts: [artifact],
    } as const;
    await journal.append({ type: 'stage.finished', data: { ...data, artifacts: [artifact] } });
    await journal.close();
    const bundle = await state.export();
    await verifyEvidence({ directory: bundle.directory });
    expect(await readFile(join(bundle.directory, 'artifacts/scan/updates.json'), 'utf8')).toBe(text);
    // What the scan left cannot be read as what it claims to be: the report says so.
    expect(await readFile(join(bundle.directory, 'report.html'), 'utf8')).toContain(
      'scan/updates.json cannot be read',
    );
  });
});

describe('an export that cannot be honest', () => {
  it.each([
    ['changed', (file: string) => writeFile(file, '{}'), 'is not the file the journal recorded'],
    ['gone', (file: string) => rm(file), 'is missing'],
  ])(
    'is refused when an artifact is %s, naming the file, and leaves nothing behind',
    async (_, spoil, complaint) => {
      const state = await toldState();
      const file = join(state.directory, 'scan/compliance.json');
      await spoil(file);
      await expect(state.export()).rejects.toMatchObject({
        kind: 'unverified',
        message: expect.stringContaining(`${file} ${complaint}`),
      });
      expect((await readdir(state.directory)).sort()).toEqual([
        'image',
        'journal.head',
        'journal.jsonl',
        'lock',
        'scan',
      ]);
    },
  );

  it('is refused for a release that does not exist', async () => {
    const { stateDirectory, clock } = await toldState();
    const missing = exportEvidence({ stateDirectory, release: 'r-none', clock, droverVersion: '0.1.0' });
    await expect(missing).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('r-none'),
    });
  });

  it('is refused when the journal is damaged', async () => {
    const state = await toldState();
    const file = join(state.directory, 'journal.jsonl');
    await writeFile(file, (await readFile(file, 'utf8')).replace('weekly', 'weakly'));
    await expect(state.export()).rejects.toMatchObject({ kind: 'unverified' });
  });

  it('is refused when the journal names a file outside its release', async () => {
    const state = await toldState();
    const journal = await openJournal({ directory: state.directory, clock: state.clock });
    const artifact = { name: 'x', path: '../../../etc/passwd', sha256: sha256(''), bytes: 0 };
    const data = {
      stage: 'scan',
      outcome: 'passed',
      durationMs: 1,
      summary: 'x',
      artifacts: [artifact],
    } as const;
    await journal.append({ type: 'stage.finished', data: { ...data, artifacts: [artifact] } });
    await journal.close();
    await expect(state.export()).rejects.toMatchObject({
      kind: 'unverified',
      message: expect.stringContaining('etc/passwd'),
    });
  });

  it('is refused when the output holds something else, which is left alone', async () => {
    const state = await toldState();
    const output = join(state.stateDirectory, 'precious');
    await mkdir(output);
    await writeFile(join(output, 'thesis.txt'), 'mine');
    await expect(state.export(output)).rejects.toMatchObject({
      kind: 'invalid',
      remedy: expect.stringContaining('--output'),
    });
    expect(await readdir(output)).toEqual(['thesis.txt']);
    await expect(state.export(join(output, 'thesis.txt'))).rejects.toMatchObject({ kind: 'invalid' });
  });
});

describe('the signing key', () => {
  it('is made on first use, readable by its owner alone', async () => {
    const state = await toldState();
    await state.export();
    const file = join(state.stateDirectory, 'keys', 'evidence-ed25519.pem');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('is the same for two first exports at once', async () => {
    const state = await toldState();
    const outputs = ['a', 'b', 'c'].map((name) => state.export(join(state.stateDirectory, name)));
    const keys = new Set((await Promise.all(outputs)).map((bundle) => bundle.keyId));
    expect(keys.size).toBe(1);
  });

  it('is refused when others can read it or it is no key', async () => {
    const state = await toldState();
    await state.export();
    const file = join(state.stateDirectory, 'keys', 'evidence-ed25519.pem');
    await chmod(file, 0o644);
    await expect(state.export()).rejects.toMatchObject({
      kind: 'environment',
      remedy: expect.stringContaining(`chmod 600 ${file}`),
    });
    await rm(file);
    await writeFile(file, 'not a key', { mode: 0o600 });
    await expect(state.export()).rejects.toMatchObject({
      kind: 'environment',
      message: expect.stringContaining(file),
    });
  });
});
