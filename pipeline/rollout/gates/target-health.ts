/**
 * Healthy in every target group of the group; a group without target groups has nothing to ask. A target is often
 * unhealthy before it is healthy for the first time; one that was healthy and is not has failed.
 */
import type { Answer } from '../state.ts';
import type { Subject } from './gates.ts';

export function targetHealth({ instance, served }: Subject): Answer {
  const source = 'target-health';
  const worst =
    instance.targets.find(({ state }) => state === 'unhealthy') ?? instance.targets.find(notHealthy);
  if (!worst) {
    const reason =
      instance.targets.length === 0 ? 'the group has no target groups' : 'healthy in every target group';
    return { status: 'passed', source, reason };
  }
  const why = worst.reason ? ` (${worst.reason})` : '';
  return {
    status: worst.state === 'unhealthy' && served ? 'failed' : 'waiting',
    source,
    reason: `${worst.state}${why} in ${shortName(worst.targetGroup)}`,
  };
}

const notHealthy = ({ state }: { state: string }): boolean => state !== 'healthy';

/** arn:…:targetgroup/web-a/6d0ecf831eec9f09 → web-a */
const shortName = (arn: string): string => arn.split('/')[1] ?? arn;
