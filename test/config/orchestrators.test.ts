import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parseConfig } from '../../pipeline/config/load.ts';
import type { Config } from '../../pipeline/config/schema.ts';
import { planWaves } from '../../pipeline/fleet/waves.ts';

const shipped = readFileSync(fileURLToPath(new URL('../../drover.yaml', import.meta.url)), 'utf8');

const withDrain = (drain: string) =>
  parseConfig(shipped.replace('passes: 2', `passes: 2\n  drain: [${drain}]`), 'drover.yaml');
const groupWith = (config: Config) =>
  planWaves({ config, root: '/etc/drover', emergency: false }, 'production')[0]!.groups[0]!;
const drainsOf = (drain: string) => groupWith(withDrain(drain)).drain;

const context = 'cluster: { type: kubeconfig, context: prod }';
const eks = 'name: prod, endpoint: "https://A1B2.gr7.eu-central-1.eks.amazonaws.com", ca: LS0tLS1CRUdJTg==';
const policy = { deadlineMs: 300_000, on_deadline: 'fail' };

test.each([
  {
    drain: `{ type: kubernetes, ${context} }`,
    spec: {
      type: 'kubernetes',
      cluster: { type: 'kubeconfig', context: 'prod' },
      bare_pods: 'fail',
      local_data: 'fail',
    },
  },
  {
    drain: `{ type: kubernetes, cluster: { type: eks, ${eks} }, bare_pods: evict, local_data: evict }`,
    spec: { cluster: { type: 'eks', name: 'prod' }, bare_pods: 'evict', local_data: 'evict' },
  },
  {
    drain: '{ type: nomad, address: "https://nomad:4646", token_env: NOMAD_TOKEN }',
    spec: { type: 'nomad', instance_id: 'unique.platform.aws.instance-id', token_env: 'NOMAD_TOKEN' },
  },
  { drain: '{ type: vault, token_file: /run/vault }', spec: { type: 'vault', scheme: 'https', port: 8200 } },
  {
    drain: '{ type: consul, ca_file: ca.pem, server_name: server.dc1.consul }',
    spec: { type: 'consul', scheme: 'https', port: 8501 },
  },
])('$drain is a drain, with defaults as its service has them', ({ drain, spec }) => {
  expect(drainsOf(drain)).toEqual([expect.objectContaining({ ...policy, ...deeply(spec) })]);
});

test('files are named relative to drover.yaml, whatever the working directory; whole paths stay', () => {
  expect(drainsOf('{ type: vault, token_file: vault.token, ca_file: /etc/ssl/vault.pem }')).toMatchObject([
    { token_file: '/etc/drover/vault.token', ca_file: '/etc/ssl/vault.pem' },
  ]);
  const cluster = 'cluster: { type: kubeconfig, file: ../kube/config, context: prod }';
  const located = { cluster: { type: 'kubeconfig', file: '/etc/kube/config', context: 'prod' } };
  expect(drainsOf(`{ type: kubernetes, ${cluster} }`)).toMatchObject([located]);
  const gates = `[{ type: kubernetes, ${cluster} }, { type: prometheus, name: p, url: "http://p", query: up, min: 1, token_file: p.token }]`;
  const hook = '{ type: http-hook, name: h, url: "http://h", token_file: h.token }';
  const text = `passes: 2\n  gates: ${gates}\n  handover: { hook: h, until: ${hook} }`;
  const group = groupWith(parseConfig(shipped.replace('passes: 2', text), 'drover.yaml'));
  expect(group.gates).toMatchObject([located, { token_file: '/etc/drover/p.token' }]);
  expect(group.handover?.until).toMatchObject({ token_file: '/etc/drover/h.token' });
});

const deeply = ({ cluster, ...rest }: { cluster?: object }) => ({
  ...rest,
  ...(cluster && { cluster: expect.objectContaining(cluster) }),
});

test.each([
  ['{ type: kubernetes }', /drain\.0\.cluster: missing/],
  ['{ type: kubernetes, cluster: { type: kubeconfig } }', /drain\.0\.cluster\.context: missing/],
  ['{ type: kubernetes, cluster: { type: gke } }', /drain\.0\.cluster\.type: /],
  [`{ type: kubernetes, ${context}, bare_pods: delete }`, /drain\.0\.bare_pods: .*"fail"\|"evict"/],
  [
    `{ type: kubernetes, cluster: { type: eks, ${eks.replace('https', 'http')} } }`,
    /drain\.0\.cluster\.endpoint: the https URL/,
  ],
  [
    `{ type: kubernetes, cluster: { type: eks, ${eks.replace('LS0', '-----BEGIN')} } }`,
    /drain\.0\.cluster\.ca: base64, as `aws eks describe-cluster` prints/,
  ],
  ['{ type: nomad }', /drain\.0\.address: /],
  ['{ type: nomad, address: nomad }', /drain\.0\.address: write an http or https URL/],
  ['{ type: nomad, address: "https://me:secret@nomad" }', /drain\.0\.address: .*without credentials/],
  ['{ type: vault, token: hvs.secret }', /drain\.0\.token: a token never stands in this file/],
  ['{ type: consul, token_env: A, token_file: b }', /drain\.0: one of `token_env` and `token_file`/],
  ['{ type: vault, port: 0 }', /drain\.0\.port: /],
])('the drain %s is refused with its place', (drain, pattern) => {
  expect(() => withDrain(drain)).toThrow(pattern);
});

test('no complaint about a token shows it', () => {
  expect(() => withDrain('{ type: vault, token: hvs.secret }')).toThrow(/^(?!.*hvs\.secret)/s);
});
