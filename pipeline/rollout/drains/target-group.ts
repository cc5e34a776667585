/**
 * Deregisters the instance from every target group of its group: the load balancer sends it nothing new and waits
 * for open connections, at most the target group's deregistration delay. Drained once no target group knows it.
 */
import { standby } from '../decision/members.ts';
import type { SeenDrain } from './drains.ts';

export const targetGroup: SeenDrain = {
  name: 'target-group',

  async start({ cloud, group }, instances) {
    for (const arn of group.targetGroups) await cloud.deregisterTargets(arn, instances);
  },

  seen({ targets }) {
    const busy = targets.find(({ state }) => state !== 'unused');
    const source = 'target-group';
    return busy
      ? { status: 'waiting', source, reason: `still ${busy.state}` }
      : { status: 'passed', source, reason: 'deregistered everywhere' };
  },

  async abort({ cloud, group }, instances) {
    // Who is in Standby by now gets no traffic; Auto Scaling registers it when it returns.
    const aside = group.instances.filter(standby).map(({ id }) => id);
    const able = instances.filter((id) => !aside.includes(id));
    if (able.length === 0) return;
    for (const arn of group.targetGroups) await cloud.registerTargets(arn, able);
  },
};
