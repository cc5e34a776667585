/**
 * Instances that wait behind the hook Drover was given: it must not time out while the engine can answer for it. The
 * engine could, when it has looked twice since a third of the hook's time was over, saw the instance wait, and yet
 * tried nothing. It need not, once the work has failed or is late.
 */
import type { World } from '../../pipeline/simulator/model/state.ts';
import type { Services } from './services.ts';
import type { Watch } from './watch.ts';

/** As much of a hook's time may pass before the next heartbeat is due. */
const dueAfter = 1 / 3;

export function judgeWaiting(
  world: World,
  services: Services,
  watch: Watch,
  violated: (what: string) => void,
): void {
  const { handover, group: name } = watch.spec;
  if (!handover) return;
  const { members, hooks } = world.groups[name]!;
  for (const { instanceId: id, lifecycle, actions } of Object.values(members)) {
    if (!lifecycle.startsWith('Terminating')) continue;
    const action = actions.find(({ hook }) => hook === handover.hook);
    if (action) {
      if (!watch.waiting.has(id)) watch.waiting.set(id, world.now);
      watch.endsAt.set(id, action.endsAt);
      continue;
    }
    const endedAt = watch.endsAt.get(id);
    watch.endsAt.delete(id);
    // Before its time it was completed, or ended by an ABANDON for another hook.
    if (endedAt === undefined || world.now < endedAt || watch.letGo.has(id)) continue;
    const { heartbeatMs } = hooks[handover.hook]!;
    const begunAt = endedAt - heartbeatMs;
    const isLate = endedAt - watch.waiting.get(id)! >= handover.until.deadlineMs;
    const isExcused = isLate || services.hasFailed('jobs', name, id);
    const wasSeen =
      watch.looks.length === 2 && watch.looks.every((at) => at >= begunAt + dueAfter * heartbeatMs);
    const wasTried = (watch.askedAt.get(id) ?? Number.NEGATIVE_INFINITY) > begunAt;
    if (wasSeen && !wasTried && !isExcused) violated(`the hook of ${id} timed out`);
  }
}
