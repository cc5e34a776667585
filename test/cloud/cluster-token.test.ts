import { createHash, createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { createAwsCloud } from '../../pipeline/cloud/aws/cloud.ts';

const at = Date.parse('2026-11-24T12:00:00Z');
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';

async function tokenFor(cluster: string, region = 'eu-central-1', sessionToken?: string) {
  const credentials = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: secret,
    ...(sessionToken !== undefined && { sessionToken }),
  };
  const cloud = createAwsCloud({ provider: 'aws', region, credentials });
  const { token, expiresAt } = await cloud.clusterToken(cluster, at);
  const [, encoded = ''] = /^k8s-aws-v1\.([A-Za-z0-9_-]+)$/.exec(token) ?? [];
  return { expiresAt, url: new URL(Buffer.from(encoded, 'base64url').toString('utf8')) };
}

/** Signature Version 4 as the IAM User Guide writes it down ("Create a signed AWS API request"), for this one request. */
function signatureOf(url: URL, cluster: string, region: string): string {
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const headers = `host:${url.host}\nx-k8s-aws-id:${cluster}\n`;
  const canonical = ['GET', '/', query, headers, 'host;x-k8s-aws-id', sha256('')].join('\n');
  const scope = `20261124/${region}/sts/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', '20261124T120000Z', scope, sha256(canonical)].join('\n');
  const key = ['20261124', region, 'sts', 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex');
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();

test('an EKS token is a presigned GetCallerIdentity of the region’s STS, valid for fifteen minutes', async () => {
  const { url, expiresAt } = await tokenFor('prod');
  expect(url.origin + url.pathname).toBe('https://sts.eu-central-1.amazonaws.com/');
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    Action: 'GetCallerIdentity',
    Version: '2011-06-15',
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': 'AKIDEXAMPLE/20261124/eu-central-1/sts/aws4_request',
    'X-Amz-Date': '20261124T120000Z',
    'X-Amz-Expires': '60',
    'X-Amz-SignedHeaders': 'host;x-k8s-aws-id',
  });
  expect(expiresAt - at).toBe(15 * 60_000);
});

test.each(['prod', 'staging.example'])(
  'the signature covers the name of the cluster: %s',
  async (cluster) => {
    const { url } = await tokenFor(cluster);
    expect(url.searchParams.get('X-Amz-Signature')).toBe(signatureOf(url, cluster, 'eu-central-1'));
  },
);

test('credentials of a role bring their session token along, signed', async () => {
  const { url } = await tokenFor('prod', 'eu-central-1', 'of+a/session==');
  expect(url.searchParams.get('X-Amz-Security-Token')).toBe('of+a/session==');
  expect(url.searchParams.get('X-Amz-Signature')).toBe(signatureOf(url, 'prod', 'eu-central-1'));
});

test('another partition has another STS', async () => {
  expect((await tokenFor('prod', 'cn-north-1')).url.host).toBe('sts.cn-north-1.amazonaws.com.cn');
});
