/**
 * Request limits as AWS documents them: token buckets that start full. They apply while a fault 'rate-limits' is in
 * force; without one nobody is ever throttled by his own doing.
 *
 * https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html: every action has a bucket of its own.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html: one for each category.
 * For Auto Scaling AWS publishes no numbers: it is given EC2's for mutating and non-mutating actions.
 */
import type { World } from './state.ts';

/** Tokens a bucket holds, and how many come back each second. */
type Limit = readonly [capacity: number, perSecond: number];

const mutating: Limit = [50, 5];
const nonMutating: Limit = [100, 20];
const unpaginated: Limit = [50, 10];

/** Actions that have the unpaginated bucket when "requested without specifying either pagination or a filter". */
const heavyReads = new Set([
  'DescribeInstances',
  'DescribeInstanceStatus',
  'DescribeNetworkInterfaces',
  'DescribeSecurityGroups',
  'DescribeSnapshots',
  'DescribeSpotInstanceRequests',
  'DescribeVolumes',
]);

/** "Uncategorized actions", as far as they are simulated. */
const own: Record<string, Limit> = {
  CopyImage: [100, 1],
  CreateLaunchTemplateVersion: [100, 5],
  CreateTags: [100, 10],
  DeleteSnapshot: [100, 5],
  DeleteTags: [100, 10],
  DeregisterImage: [100, 5],
  ModifyImageAttribute: [100, 5],
  ModifyLaunchTemplate: [100, 5],
  RunInstances: [5, 2],
  StartInstances: [5, 2],
  StopInstances: [5, 2],
  TerminateInstances: [100, 5],
};

/** Buckets from which each instance of a request takes a token. */
const perInstance: Record<string, Limit> = {
  RunInstances: [1000, 2],
  StartInstances: [1000, 2],
  StopInstances: [1000, 20],
  TerminateInstances: [1000, 20],
};

/** Whether a call of this name changes nothing but time. */
export const isRead = (operation: string): boolean => /^(?:Describe|Get|List|Search)/.test(operation);

interface Demand {
  bucket: string;
  limit: Limit;
  tokens: number;
}

/** What a request takes from which buckets. `input` is in AWS's own shape. */
function demandsOf(service: string, operation: string, input: Record<string, unknown>): Demand[] {
  const one = (bucket: string, limit: Limit): Demand => ({
    bucket: `${service}:${bucket}`,
    limit,
    tokens: 1,
  });
  if (service === 'elasticloadbalancing') {
    if (/^(?:Register|Deregister)Targets$/.test(operation)) return [one('registration', [20, 4])];
    return [isRead(operation) ? one('non-mutating', [40, 10]) : one('mutating', [20, 3])];
  }
  if (service !== 'ec2') return [one(operation, isRead(operation) ? nonMutating : mutating)];
  const whole = heavyReads.has(operation) && input.MaxResults === undefined && input.Filters === undefined;
  const limit = own[operation] ?? (whole ? unpaginated : isRead(operation) ? nonMutating : mutating);
  const demands = [one(whole ? `${operation} unpaginated` : operation, limit)];
  const each = perInstance[operation];
  if (each) {
    const count = operation === 'RunInstances' ? input.MaxCount : (input.InstanceIds as [])?.length;
    demands.push({ bucket: `ec2:${operation} instances`, limit: each, tokens: Number(count ?? 1) });
  }
  return demands;
}

/** Whether the request may pass; if so, its tokens are gone. */
export function takeTokens(
  world: World,
  service: string,
  operation: string,
  input: Record<string, unknown>,
): boolean {
  const wanted = demandsOf(service, operation, input).map((demand) => ({
    ...demand,
    left: tokensIn(world, demand) - demand.tokens,
  }));
  if (wanted.some(({ left }) => left < 0)) return false;
  for (const { bucket, left } of wanted) world.buckets[bucket] = { tokens: left, at: world.now };
  return true;
}

function tokensIn(world: World, { bucket, limit: [capacity, perSecond] }: Demand): number {
  const { tokens, at } = world.buckets[bucket] ?? { tokens: capacity, at: world.now };
  return Math.min(capacity, tokens + ((world.now - at) / 1000) * perSecond);
}
