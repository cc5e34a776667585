/**
 * Time passes: applies every event that is due, in order, at its own instant. Only this file knows which
 * resources hear of which event; it contains no rule of its own.
 */
import { evaluateAlarm } from './alarms.ts';
import { works } from './behaviour.ts';
import { beginFault, countEvent, noticeWorking } from './faults.ts';
import { checkMember } from './health.ts';
import { becomeAvailable } from './images.ts';
import { stepRefresh } from './instance-refresh.ts';
import { becomeRunning, becomeTerminated, failSoftware, setChecks, terminate } from './instances.ts';
import { memberIn } from './lifecycle.ts';
import {
  hookTimedOut,
  instanceGone,
  memberDrained,
  memberIsUp,
  memberProceeds,
  memberStopped,
} from './members.ts';
import { schedule, takeDue } from './queue.ts';
import { activeRefresh } from './refresh-state.ts';
import { rebalance, reconcile } from './scaling.ts';
import { carryOut } from './scheduled-actions.ts';
import type { Event, Group, Instance, Member, World } from './state.ts';
import { checkTarget, recheckTargets, restartTargets } from './target-checks.ts';
import { forgetDrained, forgetInstance } from './targets.ts';
import { forgetToken } from './tokens.ts';

/**
 * Brings the world to `toMs`; a time in its past changes nothing. `observe` is called after every event, for
 * whoever checks invariants.
 */
export function advance(world: World, toMs: number, observe?: (world: World, event: Event) => void): void {
  for (let event = takeDue(world, toMs); event; event = takeDue(world, toMs)) {
    world.now = Math.max(world.now, event.due);
    apply(world, event);
    countEvent(world, event);
    observe?.(world, event);
  }
  world.now = Math.max(world.now, toMs);
}

function apply(world: World, event: Event): void {
  switch (event.kind) {
    case 'instance.running': {
      const instance = alive(world, event);
      if (!instance) return;
      const rebooted = instance.state === 'running';
      becomeRunning(world, instance);
      if (rebooted) recheckTargets(world, instance.id);
      else if (instance.life > 0) restartTargets(world, instance.id);
      tellMember(world, instance, memberIsUp);
      return;
    }
    case 'instance.checks': {
      const instance = alive(world, event);
      // Software that failed before it was ready never is.
      if (!instance || (event.to === 'ok' && !works(world, instance))) return;
      setChecks(world, instance, event.to);
      if (event.to === 'ok') {
        noticeWorking(world, instance);
        // A target that was checked before its instance was ready has been called unhealthy.
        recheckTargets(world, instance.id);
      }
      return;
    }
    case 'instance.fails': {
      const instance = alive(world, event);
      if (!instance) return;
      if (event.of === 'machine') {
        terminate(world, instance, 'Server.InternalError');
      } else {
        failSoftware(world, instance);
        recheckTargets(world, instance.id);
      }
      return;
    }
    case 'instance.notice': {
      const interruption = world.instances[event.id]?.interruption;
      if (!interruption) return;
      interruption.endsAt = world.now + event.noticeMs;
      schedule(world, event.noticeMs, { kind: 'instance.reclaimed', id: event.id });
      return;
    }
    case 'instance.reclaimed': {
      const instance = world.instances[event.id];
      if (instance) terminate(world, instance, 'Server.SpotInstanceTermination');
      return;
    }
    case 'token.expires':
      forgetToken(world, event.key);
      return;
    case 'fault.begins':
      beginFault(world, event.id);
      return;
    case 'instance.stopped': {
      const instance = alive(world, event);
      if (!instance) return;
      instance.state = 'stopped';
      tellMember(world, instance, memberStopped);
      return;
    }
    case 'instance.terminated': {
      const instance = alive(world, event);
      if (!instance) return;
      becomeTerminated(world, instance);
      forgetInstance(world, instance.id);
      tellMember(world, instance, instanceGone);
      return;
    }
    case 'instance.forgotten':
      delete world.instances[event.id];
      return;
    case 'image.available': {
      const image = world.images[event.id];
      if (image) becomeAvailable(world, image);
      return;
    }
    case 'target.health':
      checkTarget(world, event);
      return;
    case 'target.drained':
      forgetDrained(world, event.arn, event.id, event.registration);
      return;
    case 'group.reconcile': {
      const group = groupNamed(world, event.group);
      // A look that was brought forward leaves its first appointment behind.
      if (!group || group.reconcileDue !== event.due) return;
      group.reconcileDue = null;
      reconcile(world, group);
      stepRefresh(world, group);
      return;
    }
    case 'alarm.evaluate':
      evaluateAlarm(world, event.name, event.serial);
      return;
    case 'group.refresh': {
      const group = groupNamed(world, event.group);
      const refresh = activeRefresh(world, event.group);
      if (!group || refresh?.due !== event.due) return;
      refresh.due = null;
      stepRefresh(world, group);
      return;
    }
    case 'group.rebalance': {
      const group = groupNamed(world, event.group);
      // The appointment may be that of a deleted group of the same name.
      if (!group || group.rebalanceDue !== event.due) return;
      group.rebalanceDue = null;
      rebalance(world, group);
      return;
    }
    case 'group.scheduled': {
      const group = groupNamed(world, event.group);
      if (group) carryOut(world, group, event.name, event.serial);
      return;
    }
    case 'group.health':
      forMember(world, event.group, event.id, checkMember);
      return;
    case 'member.drained':
      forMember(world, event.group, event.id, memberDrained);
      return;
    case 'member.proceeds':
      forMember(world, event.group, event.id, memberProceeds);
      return;
    case 'hook.timeout':
      forMember(world, event.group, event.id, (now, group, member) =>
        hookTimedOut(now, group, member, event.token),
      );
      return;
  }
}

/** The instance in the very life the event speaks of. */
function alive(world: World, event: { id: string; life: number }): Instance | null {
  const instance = world.instances[event.id];
  return instance?.life === event.life ? instance : null;
}

const groupNamed = (world: World, name: string): Group | null =>
  Object.hasOwn(world.groups, name) ? world.groups[name]! : null;

type Step = (world: World, group: Group, member: Member) => void;

function tellMember(world: World, instance: Instance, step: Step): void {
  if (instance.groupName !== null) forMember(world, instance.groupName, instance.id, step);
}

function forMember(world: World, groupName: string, instanceId: string, step: Step): void {
  const group = groupNamed(world, groupName);
  const member = group && memberIn(group, instanceId);
  if (group && member) step(world, group, member);
}
