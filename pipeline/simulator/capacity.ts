/** What a simulated group is worth at this moment, by the account's own truth rather than by what its API reports. */
import { works } from './model/behaviour.ts';
import { counts } from './model/lifecycle.ts';
import type { Group, Member, World } from './model/state.ts';

/** In service, working, and healthy in every target group. */
export const servingIn = (world: World, group: Group): Member[] =>
  Object.values(group.members).filter((member) => {
    const instance = world.instances[member.instanceId];
    return (
      instance !== undefined &&
      member.lifecycle === 'InService' &&
      works(world, instance) &&
      isHealthyIn(world, group, member.instanceId)
    );
  });

export const isHealthyIn = (world: World, group: Group, instanceId: string): boolean =>
  group.targetGroupArns.every((arn) => world.targetGroups[arn]?.targets[instanceId]?.state === 'healthy');

export const sizeOf = (group: Group): number => Object.values(group.members).filter(counts).length;
