/**
 * What drover.yaml may say about the schedulers and clusters that run on a group's instances: how they are reached,
 * and how an instance is drained from each. Secrets are never written there: tokens come from the environment or
 * from a file, Kubernetes credentials from a kubeconfig or from AWS. Paths are relative to drover.yaml.
 */
import { z } from 'zod';
import { duration } from './duration.ts';

/** Every drain has its deadline, and what happens then. */
export const deadlines = {
  deadline: duration.default('5m'),
  on_deadline: z.enum(['fail', 'skip', 'force']).default('fail'),
};

const text = z.string().min(1);
const base64 = z
  .string()
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'base64, as `aws eks describe-cluster` prints certificateAuthority.data');

const kubernetesCluster = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('kubeconfig'),
      file: text
        .optional()
        .meta({ description: 'left out: KUBECONFIG, else ~/.kube/config, as kubectl does' }),
      context: text.meta({ description: 'a context of that file; the current one is never assumed' }),
    }),
    z.strictObject({
      type: z.literal('eks'),
      name: text,
      endpoint: z.url({ protocol: /^https$/, error: 'the https URL of the cluster’s API server' }),
      ca: base64.meta({ description: 'certificateAuthority.data of the cluster' }),
    }),
  ])
  .meta({ description: 'how the Kubernetes API is reached' });

export const kubernetesGate = z
  .strictObject({ type: z.literal('kubernetes'), cluster: kubernetesCluster })
  .meta({ description: 'the instance’s node is Ready and the pods of its DaemonSets run there' });

export const kubernetesDrain = z
  .strictObject({
    type: z.literal('kubernetes'),
    cluster: kubernetesCluster,
    bare_pods: z.enum(['fail', 'evict']).default('fail').meta({
      description: 'pods without a controller: nobody starts them again elsewhere (kubectl drain --force)',
    }),
    local_data: z.enum(['fail', 'evict']).default('fail').meta({
      description: 'pods with emptyDir volumes: the data is lost (kubectl drain --delete-emptydir-data)',
    }),
    ...deadlines,
  })
  .meta({ description: 'cordon the node and evict its pods; DaemonSet and mirror pods stay' });

/** It stands in the journal and the evidence: no user, no password. */
export const serviceUrl = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:\/\/[^@]+$/.test(text),
    'write an http or https URL without credentials; a token is named by token_env or token_file',
  );

/** Where the token for a service comes from. */
export const tokenSource = {
  token: z
    .never(
      'a token never stands in this file: name a variable (token_env) or a file (token_file) that holds it',
    )
    .optional(),
  token_env: text.optional().meta({ description: 'variable that holds the token' }),
  token_file: text.optional().meta({ description: 'file that holds the token' }),
};
/** What an object's keys cannot say about `tokenSource`. */
export const oneToken = [
  ({ token_env, token_file }: TokenSource) => !token_env || !token_file,
  'one of `token_env` and `token_file`',
] as const;
export interface TokenSource {
  token_env?: string | undefined;
  token_file?: string | undefined;
}

const serviceAccess = {
  ...tokenSource,
  ca_file: text.optional().meta({ description: 'certificate authorities (PEM), instead of the system’s' }),
  server_name: text.optional().meta({ description: 'the name its certificate is for, when not its address' }),
};
export interface ServiceAccess extends TokenSource {
  ca_file?: string | undefined;
  server_name?: string | undefined;
}

/** A service on the instance itself, asked at its private address. */
const onInstance = (port: number) => ({
  scheme: z.enum(['http', 'https']).default('https'),
  port: z.int().min(1).max(65_535).default(port),
});

export const nomadDrain = z
  .strictObject({
    type: z.literal('nomad'),
    address: serviceUrl.meta({ description: 'of a server or of the load balancer before them' }),
    instance_id: text.default('unique.platform.aws.instance-id').meta({
      description: 'attribute or meta key of a client that holds the id of its instance',
    }),
    ...serviceAccess,
    ...deadlines,
  })
  .refine(...oneToken)
  .meta({ description: 'drain the Nomad client until its drain is complete and its allocations have ended' });

export const vaultDrain = z
  .strictObject({ type: z.literal('vault'), ...onInstance(8200), ...serviceAccess, ...deadlines })
  .refine(...oneToken)
  .meta({ description: 'step down where Vault is active; done when it is a standby and another is active' });

export const consulDrain = z
  .strictObject({ type: z.literal('consul'), ...onInstance(8501), ...serviceAccess, ...deadlines })
  .refine(...oneToken)
  .meta({ description: 'leave the datacenter; a server only once it can be spared' });

export type KubernetesCluster = z.output<typeof kubernetesCluster>;
export type KubernetesDrain = Pick<z.output<typeof kubernetesDrain>, 'bare_pods' | 'local_data'>;
