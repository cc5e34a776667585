/**
 * What drover.yaml may say about the schedulers and clusters that run on a group's instances: how they are reached,
 * and how an instance is drained from each. Secrets are never written there: tokens come from the environment or
 * from a file, Kubernetes credentials from a kubeconfig or from AWS. Paths are relative to the working directory.
 */
import { z } from 'zod';
import { duration } from './duration.ts';

/** Every drain has its deadline, and what happens then. */
const deadlines = {
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

export type KubernetesCluster = z.output<typeof kubernetesCluster>;
export type KubernetesDrain = Pick<z.output<typeof kubernetesDrain>, 'bare_pods' | 'local_data'>;
