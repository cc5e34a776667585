/**
 * Who vouches for a bundle: an Ed25519 key in the state directory, and DSSE envelopes signed with it
 * (https://github.com/secure-systems-lab/dsse/blob/master/envelope.md and protocol.md). Decides what a valid
 * signature is; not whether its key is to be trusted, which only the reader can know.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { chmod, link, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Refused } from '../errors.ts';
import { errorCode, makeDirectory, storageRefused, syncDirectory, writeNewFile } from '../journal/storage.ts';
import { canonical, sha256 } from '../json.ts';

export const payloadType = 'application/vnd.in-toto+json';

export interface SigningKey {
  /** SHA-256 of the public key's DER (SubjectPublicKeyInfo): its fingerprint. */
  keyId: string;
  publicKeyPem: string;
  sign(data: Uint8Array): Uint8Array;
}

const keyFileName = 'evidence-ed25519.pem';

/** The state directory's signing key, made on first use (mode 0600). Throws Refused 'environment'. */
export async function loadSigningKey(stateDirectory: string): Promise<SigningKey> {
  const directory = join(stateDirectory, 'keys');
  const file = join(directory, keyFileName);
  try {
    await createKeyIfAbsent(directory, file);
    await refuseReadableByOthers(file);
    const key = createPrivateKey(await readFile(file));
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`a ${key.asymmetricKeyType} key, not Ed25519`);
    const publicKey = createPublicKey(key);
    return {
      keyId: fingerprint(publicKey),
      publicKeyPem: pemOf(publicKey),
      sign: (data) => signBytes(null, data, key),
    };
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (errorCode(error)?.startsWith('E') && !errorCode(error)?.startsWith('ERR_')) {
      throw storageRefused('use the signing key', file, error);
    }
    throw new Refused(
      'environment',
      `the signing key ${file} cannot be read as an Ed25519 private key`,
      'Restore it from a backup; without one, move it away and a new key is made, under which later bundles are signed.',
      { cause: error },
    );
  }
}

async function createKeyIfAbsent(directory: string, file: string): Promise<void> {
  const known = await stat(file).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (known) return;
  await makeDirectory(directory);
  await chmod(directory, 0o700);
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  const finished = `${file}.${randomUUID()}`;
  await writeNewFile(finished, pem, 0o600);
  try {
    // link, not rename: of two first exports at once, both must end up with the same key.
    await link(finished, file);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(finished, { force: true });
  }
  await syncDirectory(directory);
}

async function refuseReadableByOthers(file: string): Promise<void> {
  const { mode } = await stat(file);
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  throw new Refused(
    'environment',
    `the signing key ${file} is open to other users (mode ${(mode & 0o777).toString(8)})`,
    `chmod 600 ${file}, and consider whether somebody may have copied it.`,
  );
}

const fingerprint = (key: KeyObject): string => sha256(key.export({ type: 'spki', format: 'der' }));
const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

/** Fingerprint of a public key in PEM; null when the text is not an Ed25519 public key as Drover writes one. */
export function fingerprintOfPem(pem: string): string | null {
  const key = publicKeyOf(pem);
  return key && fingerprint(key);
}

function publicKeyOf(pem: string): KeyObject | null {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? key : null;
  } catch {
    return null;
  }
}

/** Pre-authentication encoding: what DSSE signs instead of the payload alone (protocol.md, "Signature Definition"). */
export function preAuthenticationEncoding(type: string, payload: Uint8Array): Uint8Array {
  const header = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `;
  return Buffer.concat([Buffer.from(header, 'utf8'), payload]);
}

/** The envelope as it is written: canonical JSON and a newline. */
export function sealEnvelope(payload: Uint8Array, key: SigningKey): string {
  const sig = Buffer.from(key.sign(preAuthenticationEncoding(payloadType, payload)));
  const envelope = {
    payload: Buffer.from(payload).toString('base64'),
    payloadType,
    signatures: [{ keyid: key.keyId, sig: sig.toString('base64') }],
  };
  return `${canonical(envelope)}\n`;
}

const envelopeShape = z.strictObject({
  payload: z.string(),
  payloadType: z.literal(payloadType),
  signatures: z.tuple([z.strictObject({ keyid: z.string(), sig: z.string() })]),
});

export interface OpenedEnvelope {
  payload: Uint8Array;
  keyId: string;
  /** Null when the signature holds under the given key, otherwise what is wrong with it. */
  problem: string | null;
}

/** Reads an envelope and checks its signature; a string says why it is not one Drover wrote. */
export function openEnvelope(text: string, publicKeyPem: string): OpenedEnvelope | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  const parsed = envelopeShape.safeParse(value);
  if (!parsed.success) return 'not a DSSE envelope around an in-toto statement with exactly one signature';
  if (`${canonical(value)}\n` !== text) return 'not in canonical form';
  const [signature] = parsed.data.signatures;
  const payload = Buffer.from(parsed.data.payload, 'base64');
  const sig = Buffer.from(signature.sig, 'base64');
  // Buffer's base64 is lenient; only the one canonical spelling is accepted.
  if (payload.toString('base64') !== parsed.data.payload || sig.toString('base64') !== signature.sig) {
    return 'not in canonical base64';
  }
  return { payload, keyId: signature.keyid, problem: signatureProblem() };

  function signatureProblem(): string | null {
    const key = publicKeyOf(publicKeyPem);
    if (!key) return 'the public key in the bundle is not an Ed25519 key';
    if (signature.keyid !== fingerprint(key))
      return 'the signature names another key than the one in the bundle';
    const signed = preAuthenticationEncoding(payloadType, payload);
    return verifyBytes(null, signed, key, sig) ? null : 'the signature does not match the manifest';
  }
}
