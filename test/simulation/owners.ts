/** Those whose lifecycle hooks hold instances up beside the engine's own, each answering in his own time. */
import type { Clock } from '../../pipeline/clock.ts';
import { allMembers } from '../../pipeline/simulator/model/lifecycle.ts';
import { completeAction } from '../../pipeline/simulator/model/members.ts';
import type { World } from '../../pipeline/simulator/model/state.ts';
import { nameOf, othersHook } from './account.ts';
import type { Scenario } from './scenario.ts';

type Hook = Scenario['groups'][number]['othersHooks'][number];

/** @returns what is to be called after everything that happens in the world */
export function ownersOf(scenario: Scenario, world: World, clock: Clock, advance: () => void): () => void {
  const hooks = scenario.groups.flatMap(({ othersHooks }, group) =>
    othersHooks.map((drawn, index) => ({ group: nameOf(group), name: othersHook(index), drawn })),
  );
  const known = new Set<string>();
  const answered = new Map<Hook, number>();

  const outstanding = (group: string, hook: string) =>
    allMembers(world.groups[group]!).flatMap((member) =>
      member.actions.filter((action) => action.hook === hook).map((action) => ({ member, action })),
    );

  async function answer(group: string, hook: string, drawn: Hook, token: string): Promise<void> {
    await clock.sleep(drawn.answersS! * 1000);
    advance();
    const open = outstanding(group, hook).find(({ action }) => action.token === token);
    if (!open) return;
    const count = answered.get(drawn) ?? 0;
    answered.set(drawn, count + 1);
    const result = count < drawn.abandons ? 'ABANDON' : 'CONTINUE';
    completeAction(world, world.groups[group]!, open.member, open.action, result);
  }

  return () => {
    for (const { group, name, drawn } of hooks) {
      if (drawn.answersS === null) continue;
      for (const { action } of outstanding(group, name)) {
        if (known.has(action.token)) continue;
        known.add(action.token);
        void answer(group, name, drawn, action.token);
      }
    }
  };
}
