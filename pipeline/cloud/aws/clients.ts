/**
 * The SDK clients, configured once: adaptive retries with jitter inside the SDK, and a time limit on every
 * request, because the SDK by itself waits for ever.
 */
import { AutoScalingClient, type AutoScalingClientConfig } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient, type CloudWatchClientConfig } from '@aws-sdk/client-cloudwatch';
import { EC2Client, type EC2ClientConfig } from '@aws-sdk/client-ec2';
import {
  ElasticLoadBalancingV2Client,
  type ElasticLoadBalancingV2ClientConfig,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { STSClient, type STSClientConfig } from '@aws-sdk/client-sts';
import type { Clock } from '../../clock.ts';
import { type Address, type CallKind, translate } from './errors.ts';
import { type Account, answerInProcess } from './in-process.ts';

export interface AwsOptions {
  provider: 'aws' | 'simulator';
  region: string;
  /** One base URL for all services; left out, the SDK finds each service's own. */
  endpoint?: string;
  credentials?: AutoScalingClientConfig['credentials'];
  /** For rehearsals and tests: an account in this process answers, and retries wait on its clock. */
  inProcess?: { account: Account; clock: Clock };
  /** For tests of the wire: carries requests instead of the network. */
  requestHandler?: AutoScalingClientConfig['requestHandler'];
  /** Attempts per call, the first included. Default 8: with the SDK's back-off about a minute of throttling. */
  maxAttempts?: number;
}

export interface Connection {
  autoScaling: AutoScalingClient;
  cloudWatch: CloudWatchClient;
  ec2: EC2Client;
  elb: ElasticLoadBalancingV2Client;
  sts: STSClient;
  address: Address;
  /** Runs one call and translates what it throws. */
  call<T>(operation: string, kind: CallKind, work: () => Promise<T>): Promise<T>;
}

/** Longer than the slowest of these calls takes on a busy day, shorter than a person's patience. */
const requestTimeoutMs = 30_000;
const connectionTimeoutMs = 5_000;

/** Nothing is signed within a process, but the SDK wants to know who would. */
const nobody = { accessKeyId: 'nobody', secretAccessKey: 'nobody' };

export function connect(options: AwsOptions): Connection {
  const { maxAttempts = 8 } = options;
  const config: AutoScalingClientConfig = {
    region: options.region,
    retryMode: 'adaptive',
    maxAttempts,
    requestHandler: options.requestHandler ?? {
      requestTimeout: requestTimeoutMs,
      connectionTimeout: connectionTimeoutMs,
      throwOnRequestTimeout: true,
    },
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.credentials !== undefined && { credentials: options.credentials }),
    ...(options.inProcess && { credentials: nobody }),
  };
  const address = { region: options.region, endpoint: options.endpoint ?? null };
  const clients = {
    autoScaling: new AutoScalingClient(config),
    cloudWatch: new CloudWatchClient(config as CloudWatchClientConfig),
    ec2: new EC2Client(config as EC2ClientConfig),
    elb: new ElasticLoadBalancingV2Client(config as ElasticLoadBalancingV2ClientConfig),
    sts: new STSClient(config as STSClientConfig),
  };
  if (options.inProcess) {
    const { account, clock } = options.inProcess;
    for (const client of Object.values(clients)) answerInProcess(client, account, clock, maxAttempts);
  }
  return {
    ...clients,
    address,
    async call(operation, kind, work) {
      try {
        return await work();
      } catch (error) {
        throw translate(operation, kind, address, error);
      }
    },
  };
}

/** Pieces of at most `size`, in order. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  const pieces: T[][] = [];
  for (let start = 0; start < items.length; start += size) pieces.push(items.slice(start, start + size));
  return pieces;
}

/** The items of all pages of one question. */
export async function collect<P, T>(
  pages: AsyncIterable<P>,
  items: (page: P) => T[] | undefined,
): Promise<T[]> {
  const all: T[] = [];
  for await (const page of pages) all.push(...(items(page) ?? []));
  return all;
}
