import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  decodeStatement,
  encodeStatement,
  type ManifestFile,
  type Predicate,
} from '../../pipeline/evidence/bundle.ts';
import type { EvidenceBundle } from '../../pipeline/evidence/export.ts';
import {
  loadSigningKey,
  openEnvelope,
  preAuthenticationEncoding,
  sealEnvelope,
} from '../../pipeline/evidence/signature.ts';
import { EvidenceRejected, verifyEvidence } from '../../pipeline/evidence/verify.ts';
import { canonical, sha256 } from '../../pipeline/json.ts';
import { scratchDirectory } from '../journal/bench.ts';
import { copyOf, release, toldState } from './bench.ts';

/** Exported once; every test spoils a copy of its own. */
let stateDirectory: string;
let bundle: EvidenceBundle;

beforeAll(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), 'drover-bundle-'));
  bundle = await (await toldState({}, stateDirectory)).export();
  return () => rm(stateDirectory, { recursive: true });
});

const spoiled = () => copyOf(bundle);

async function findings(directory: string, trustedKey?: string): Promise<Record<string, string>> {
  const error = await verifyEvidence({ directory, trustedKey }).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof EvidenceRejected))
    throw new Error('verified, or failed for another reason', { cause: error });
  expect(error.kind).toBe('unverified');
  for (const { file, problem } of error.findings.slice(0, 20))
    expect(error.message).toContain(`${file}: ${problem}`);
  return Object.fromEntries(error.findings.map(({ file, problem }) => [file, problem]));
}

/** Signs a changed bundle again, as its owner or an attacker with a key of their own could. */
async function resign(
  directory: string,
  keys: string,
  change: (predicate: Predicate) => Predicate = (p) => p,
): Promise<void> {
  const key = await loadSigningKey(keys);
  const manifest = join(directory, 'manifest.dsse.json');
  const opened = openEnvelope(await readFile(manifest, 'utf8'), key.publicKeyPem);
  if (typeof opened === 'string') throw new Error(opened);
  const { predicate } = decodeStatement(opened.payload)!;
  await writeFile(join(directory, 'public-key.pem'), key.publicKeyPem);
  const readme = await readFile(join(directory, 'README.txt'), 'utf8');
  await writeFile(join(directory, 'README.txt'), readme.replace(/^Key: .*/m, `Key:      ${key.keyId}`));
  const list = async (without: string[]): Promise<ManifestFile[]> => {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const described = await Promise.all(
      files.map(async (path) => {
        const bytes = await readFile(path);
        return { name: path.slice(directory.length + 1), sha256: sha256(bytes), bytes: bytes.length };
      }),
    );
    return described
      .filter((file) => !without.includes(file.name))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  };
  const sums = await list(['manifest.dsse.json', 'SHA256SUMS']);
  await writeFile(
    join(directory, 'SHA256SUMS'),
    sums.map((file) => `${file.sha256}  ${file.name}\n`).join(''),
  );
  await writeFile(
    manifest,
    sealEnvelope(encodeStatement(await list(['manifest.dsse.json']), change(predicate)), key),
  );
}

/** More than Node reads into one buffer by readFile; sparse, so it takes no space. */
const unreadableBytes = 3 * 2 ** 30;
async function enlarge(file: string): Promise<void> {
  await appendFile(file, '');
  await truncate(file, unreadableBytes);
}

const edit = async (file: string, change: (text: string) => string) => {
  const text = await readFile(file, 'utf8');
  expect(change(text)).not.toBe(text);
  await writeFile(file, change(text));
};

describe('a bundle as it was exported', () => {
  it('verifies, says what was checked, and that the key was only taken from the bundle', async () => {
    const report = await verifyEvidence({ directory: await spoiled() });
    expect(report).toMatchObject({ release, status: 'promoted', files: 16, records: 174 });
    expect(report.key).toMatchObject({ id: bundle.keyId, trust: 'bundle' });
    expect(report.key.statement).toContain('not verified');
    expect(report.summary.join('\n')).toContain(bundle.keyId);
  });

  it('is trusted when the reader brings the key, as PEM or as fingerprint', async () => {
    const directory = await spoiled();
    const pem = await readFile(join(directory, 'public-key.pem'), 'utf8');
    for (const trustedKey of [pem, bundle.keyId, `sha256:${bundle.keyId.toUpperCase()}`]) {
      const { key } = await verifyEvidence({ directory, trustedKey });
      expect(key).toMatchObject({ trust: 'given', statement: expect.stringContaining('the key you trust') });
    }
  });

  it('verifies for a release that was rolled back, and says so', async () => {
    const told = await toldState({ fault: 'unhealthy' });
    const { directory } = await told.export();
    expect(await verifyEvidence({ directory })).toMatchObject({ status: 'rolled-back' });
  });
});

describe('a changed bundle', () => {
  it('is refused for every file in it, whichever byte is flipped at its beginning, middle or end', async () => {
    const directory = await spoiled();
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const path of files) {
      const sound = await readFile(path);
      for (const at of [0, sound.length >> 1, sound.length - 1]) {
        const damaged = Buffer.from(sound);
        damaged[at] = damaged[at]! ^ 1;
        await writeFile(path, damaged);
        expect(Object.keys(await findings(directory)), `${path} at ${at}`).toContain(
          path.slice(directory.length + 1),
        );
      }
      await writeFile(path, sound);
    }
    await verifyEvidence({ directory });
  });

  it('is refused whichever byte of the manifest is flipped', async () => {
    const directory = await spoiled();
    const path = join(directory, 'manifest.dsse.json');
    const sound = await readFile(path);
    const key = await readFile(join(directory, 'public-key.pem'), 'utf8');
    const accepted: number[] = [];
    for (let at = 0; at < sound.length; at++) {
      const damaged = Buffer.from(sound);
      damaged[at] = damaged[at]! ^ (1 << (at % 8));
      const opened = openEnvelope(damaged.toString('utf8'), key);
      if (typeof opened !== 'string' && opened.problem === null) accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });

  it.each([
    ['a newline more at the end', (text: string) => `${text}\n`, 'report.html', /^changed: \d+ bytes/],
    [
      'a newline less at the end',
      (text: string) => text.slice(0, -1),
      'verdicts.json',
      /^changed: \d+ bytes/,
    ],
    ['Windows line ends', (text: string) => text.replaceAll('\n', '\r\n'), 'README.txt', /^changed/],
    [
      'a letter in another case',
      (text: string) => text.replace('Debian', 'debian'),
      'image.json',
      /^changed: its SHA-256/,
    ],
    [
      'a journal record left out',
      (text: string) => text.split('\n').toSpliced(4, 1).join('\n'),
      'journal.jsonl',
      /./,
    ],
    [
      'white space in the manifest',
      (text: string) => text.replace(':', ': '),
      'manifest.dsse.json',
      /canonical form/,
    ],
    [
      'a second signature',
      (text: string) => text.replace('"signatures":[', '"signatures":[{"keyid":"","sig":""},'),
      'manifest.dsse.json',
      /exactly one/,
    ],
  ])('is refused for %s', async (_, change, file, problem) => {
    const directory = await spoiled();
    await edit(join(directory, file), change);
    expect((await findings(directory))[file]).toMatch(problem);
  });

  it('is refused for a missing file, an extra file, and an extra empty directory, each by name', async () => {
    const directory = await spoiled();
    await rm(join(directory, 'artifacts/scan/sbom.cdx.json'));
    await writeFile(join(directory, 'artifacts/scan/.hidden'), '');
    await mkdir(join(directory, 'empty'));
    expect(await findings(directory)).toEqual({
      'artifacts/scan/sbom.cdx.json': 'missing',
      'artifacts/scan/.hidden': 'extra: not in the signed manifest',
      'empty/': 'an empty directory that does not belong here',
    });
  });

  it('is refused by name for files too large to read, one extra and one that has grown', async () => {
    const directory = await spoiled();
    await enlarge(join(directory, 'disk.raw'));
    await enlarge(join(directory, 'report.html'));
    expect(await findings(directory)).toEqual({
      'disk.raw': 'extra: not in the signed manifest',
      'report.html': expect.stringMatching(`^changed: ${unreadableBytes} bytes`),
    });
  });

  it('is refused for a file under a name in another case', async () => {
    const directory = await spoiled();
    await rename(join(directory, 'image.json'), join(directory, 'Image.json'));
    expect(await findings(directory)).toMatchObject({ 'image.json': 'missing', 'Image.json': /extra/ });
  });

  it('is refused for a symbolic link, even to the right bytes', async () => {
    const directory = await spoiled();
    const elsewhere = join(await scratchDirectory(), 'image.json');
    await rename(join(directory, 'image.json'), elsewhere);
    await symlink(elsewhere, join(directory, 'image.json'));
    expect((await findings(directory))['image.json']).toBe('a symbolic link, not a file');
  });

  it('says all that is wrong at once', async () => {
    const directory = await spoiled();
    await edit(join(directory, 'README.txt'), (text) => text.replace('promoted', 'perfect!'));
    await edit(join(directory, 'verdicts.json'), (text) => text.replace('passed', 'failed'));
    await rm(join(directory, 'image.json'));
    expect(Object.keys(await findings(directory)).sort()).toEqual([
      'README.txt',
      'image.json',
      'verdicts.json',
    ]);
  });
});

describe('a bundle signed again after a change', () => {
  it('by its own key is refused when derived files no longer follow from the journal', async () => {
    const directory = await spoiled();
    await edit(join(directory, 'report.html'), (text) => text.replace('13 of 13', '14 of 13'));
    await edit(join(directory, 'image.json'), (text) =>
      text.replace('"builder":"chroot"', '"builder":"qemu"'),
    );
    await edit(join(directory, 'verdicts.json'), (text) => text.replace('passed', 'failed'));
    await resign(directory, stateDirectory);
    expect(await findings(directory)).toEqual({
      'report.html': 'does not follow from the journal',
      'image.json': 'does not follow from the journal',
      'verdicts.json': 'does not follow from the journal',
    });
  });

  it('by its own key is refused when an artifact is not the one the journal recorded', async () => {
    const directory = await spoiled();
    await edit(join(directory, 'artifacts/scan/updates.json'), (text) => text.replace('311', '312'));
    await resign(directory, stateDirectory);
    expect(await findings(directory)).toMatchObject({
      'artifacts/scan/updates.json': 'not the file the journal recorded',
    });
  });

  it('by its own key is refused when the journal lost its last record', async () => {
    const directory = await spoiled();
    await edit(
      join(directory, 'journal.jsonl'),
      (text) => `${text.trimEnd().split('\n').slice(0, -1).join('\n')}\n`,
    );
    await resign(directory, stateDirectory);
    expect((await findings(directory))['manifest.dsse.json']).toMatch(
      /'journal' is not what the journal says/,
    );
  });

  it('by its own key is refused when the manifest tells another outcome, or a file came in', async () => {
    const directory = await spoiled();
    await writeFile(join(directory, 'artifacts/note.txt'), 'trust me');
    await resign(directory, stateDirectory, (predicate) => ({ ...predicate, status: 'rolled-back' }));
    expect(await findings(directory)).toEqual({
      'artifacts/note.txt': 'extra: the journal knows nothing of it',
      'manifest.dsse.json': "its 'status' is not what the journal says",
    });
  });

  it('by another key is refused by a reader who brings the right one', async () => {
    const directory = await spoiled();
    await resign(directory, await scratchDirectory());
    const { key } = await verifyEvidence({ directory });
    expect(key.id).not.toBe(bundle.keyId);
    expect(key.trust).toBe('bundle');
    expect((await findings(directory, bundle.keyId))['public-key.pem']).toContain(
      `not the key you trust (${bundle.keyId})`,
    );
  });

  it('by another key, with the first key left in place, is refused by everybody', async () => {
    const directory = await spoiled();
    const pem = await readFile(join(directory, 'public-key.pem'));
    await resign(directory, await scratchDirectory());
    await writeFile(join(directory, 'public-key.pem'), pem);
    expect((await findings(directory))['manifest.dsse.json']).toContain('names another key');
  });

  it('verifies under another renderer without rendering again, and says so', async () => {
    const directory = await spoiled();
    await edit(join(directory, 'report.html'), (text) =>
      text.replace('Release report', 'Report of a release'),
    );
    await resign(directory, stateDirectory, (predicate) => ({ ...predicate, renderer: 'f'.repeat(64) }));
    const report = await verifyEvidence({ directory });
    expect(report.checks.join('\n')).toContain('rendered by another version of Drover');
  });
});

describe('what is not a bundle', () => {
  it('is refused as such, with the path', async () => {
    const directory = await scratchDirectory();
    await expect(verifyEvidence({ directory })).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(directory),
    });
    const missing = join(directory, 'nowhere');
    await expect(verifyEvidence({ directory: missing })).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(missing),
    });
  });

  it('is refused before anything in it is read, however large', async () => {
    const directory = await scratchDirectory();
    await enlarge(join(directory, 'disk.raw'));
    await expect(verifyEvidence({ directory })).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('is not an evidence bundle: it has no manifest.dsse.json'),
    });
  });

  it('is a trusted key that is no key', async () => {
    const verifying = verifyEvidence({ directory: await spoiled(), trustedKey: 'hello' });
    await expect(verifying).rejects.toMatchObject({
      kind: 'invalid',
      remedy: expect.stringContaining('fingerprint'),
    });
  });
});

describe('the signature', () => {
  it('is made over the pre-authentication encoding of the DSSE specification', () => {
    // The example of https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, "Test vectors".
    const encoded = preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
    expect(Buffer.from(encoded).toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('covers an in-toto statement with the digest and size of every file', async () => {
    const directory = await spoiled();
    const envelope = JSON.parse(await readFile(join(directory, 'manifest.dsse.json'), 'utf8'));
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString());
    expect(envelope.payloadType).toBe('application/vnd.in-toto+json');
    expect(statement._type).toBe('https://in-toto.io/Statement/v1');
    expect(statement.subject).toHaveLength(15);
    const journal = await readFile(join(directory, 'journal.jsonl'));
    const listed = statement.subject.find((subject: { name: string }) => subject.name === 'journal.jsonl');
    expect(canonical(listed)).toBe(
      canonical({
        name: 'journal.jsonl',
        digest: { sha256: sha256(journal) },
        annotations: { bytes: journal.length },
      }),
    );
  });
});
