/**
 * Puts one group back from its marks alone, for when the journal of the release that set them is lost: the template
 * version first, so that nothing more launches from the release's; and then, by the same loop that rolls groups, an
 * instance refresh of the release is called off, and desired (what is too many is drained and chosen by us), MaxSize,
 * suspended processes and the marks themselves are brought back.
 *
 * It replaces no instance: those on the release's version serve on next to the others, and the next release finds
 * them. Tags are its only memory, so one that was cut short is simply begun again.
 */
import { CloudError, type GroupObservation } from '../cloud/cloud.ts';
import { reasonOf, Stuck } from '../errors.ts';
import type { GroupBaseline } from '../journal/records.ts';
import { nextKey, recorded } from './act.ts';
import { baselineOf } from './baseline.ts';
import { freshMemory } from './decision/owed.ts';
import { drainOf } from './drains/drains.ts';
import { drive, type RolloutDeps } from './drive.ts';
import { withSteps } from './group-steps.ts';
import { patientlyObserved } from './patience.ts';
import type { Restoration } from './restoration.ts';
import type { GroupSpec } from './spec.ts';
import type { Assignment, Memory } from './state.ts';
import { followedAgain } from './way-back.ts';

export interface Recovery {
  /** In service or on their way there, by the template version they were launched from. */
  instances: { version: number | null; count: number }[];
}

/**
 * @param group as it was when `restoration` was made of it
 * @throws Stuck when it cannot be brought back, Interrupted when the signal aborts; both leave the marks, so that the
 *   same command goes on
 */
export async function recoverGroup(
  deps: RolloutDeps,
  spec: GroupSpec,
  group: GroupObservation,
  restoration: Restoration,
  request: { reason: string; actor: string },
): Promise<Recovery> {
  const { cloud, journal } = deps;
  const { name } = group;
  const found = await baselineOf(cloud, group);
  await journal.append({ type: 'group.baseline', data: found });
  await journal.append({ type: 'rollback.started', data: { groups: [name], ...request } });
  const failure =
    (await pinned(deps, group, restoration)) ??
    (await givenBack(deps, spec, group, restoration)) ??
    (await settled(deps, spec, restoration, found));
  const [after] = await patientlyObserved(deps, [name]);
  const outcome = failure === null ? 'rolled-back' : 'stuck';
  const reason = failure ?? `as it was before release ${restoration.release}; its instances stay`;
  await journal.append({
    type: 'group.finished',
    data: { group: name, outcome, reason, after: after ? await baselineOf(cloud, after) : null },
  });
  await journal.append({ type: 'rollback.finished', data: { outcome, reason } });
  if (failure === null) return { instances: byVersion(after?.instances ?? []) };
  throw new Stuck(
    `group ${name} is not back as it was: ${failure}`,
    `Its marks are still there. Remove the cause, then \`drover recover ${name}\` goes on from what is there.`,
  );
}

/** @returns why it could not be done; null when it was, or need not be */
async function pinned(
  deps: RolloutDeps,
  { name, template }: GroupObservation,
  { version, isPinned, release }: Restoration,
): Promise<string | null> {
  if (isPinned) return null;
  const intent = {
    key: nextKey(deps.journal, name, 'pin'),
    group: name,
    action: 'pin',
    arguments: { version },
    why: `version ${template!.version} was set by release ${release}`,
  };
  return await refusalOf(() =>
    recorded(deps, intent, () => deps.cloud.updateGroup(name, { templateVersion: version })),
  );
}

/**
 * Undoes the drains that find their own marks, on every instance but those about to be drained again.
 * @returns why it could not be done; null when it was
 */
async function givenBack(
  deps: RolloutDeps,
  { drain }: GroupSpec,
  group: GroupObservation,
  { drained, surplus, release }: Restoration,
): Promise<string | null> {
  const { cloud, clock, http, runCommand, signal, journal } = deps;
  const leaving = drained.slice(0, surplus);
  const instances = group.instances.map(({ id }) => id).filter((id) => !leaving.includes(id));
  for (const [step, spec] of drain.entries()) {
    const made = drainOf(spec);
    if (!made.marksItself) continue;
    const intent = {
      key: nextKey(journal, group.name, 'undrain'),
      group: group.name,
      action: 'undrain',
      arguments: { step, instances },
      why: `release ${release} may have begun to drain them (${spec.type})`,
    };
    const context = { cloud, clock, http, runCommand, signal, release, group };
    const refusal = await refusalOf(() => recorded(deps, intent, () => made.abort(context, instances)));
    if (refusal !== null) return refusal;
  }
  return null;
}

async function refusalOf(call: () => Promise<void>): Promise<string | null> {
  try {
    await call();
    return null;
  } catch (error) {
    if (error instanceof CloudError) return reasonOf(error);
    throw error;
  }
}

/** @returns why it did not come to its end; null when it did */
async function settled(
  deps: RolloutDeps,
  spec: GroupSpec,
  restoration: Restoration,
  found: GroupBaseline,
): Promise<string | null> {
  const { version, abandoned, follows, refresh, owed, drained, surplus } = restoration;
  const previous = { ...found, templateVersion: follows ?? String(version), resolvedVersion: version };
  const assignment: Assignment = {
    release: deps.journal.release,
    spec,
    baseline: {
      ...previous,
      // What is too many is taken from the release's own instances as long as there are any.
      instances: found.instances.filter(
        (instance) => instance.version === version || instance.version !== abandoned,
      ),
    },
    goal: { kind: 'recover', version, abandoned, follows: await followedAgain(deps.cloud, previous) },
  };
  const now = deps.clock.now();
  // The surplus is drained from the beginning; the others get everything back that a drain may have taken.
  const last = Math.max(0, spec.drain.length - 1);
  const drains: Memory['drains'] = Object.fromEntries(
    drained.map((id, index) => [
      id,
      { step: index < surplus ? 0 : last, started: false, touched: true, since: now },
    ]),
  );
  const memory = { ...freshMemory(owed.wanted, now), owed, refresh, drains };
  return await withSteps(deps.progress, [spec.group], async ([step]) => {
    const track = { assignment, memory, progress: step!.progress };
    const [ending] = await drive(deps, [track], { together: false });
    const failure = ending!.status === 'failed' ? ending!.reason : null;
    step!.close(failure === null ? undefined : new Error(failure));
    return failure;
  });
}

function byVersion(instances: GroupObservation['instances']): Recovery['instances'] {
  const counts = new Map<number | null, number>();
  for (const { templateVersion, lifecycle } of instances) {
    if (lifecycle !== 'InService' && !lifecycle.startsWith('Pending')) continue;
    counts.set(templateVersion, (counts.get(templateVersion) ?? 0) + 1);
  }
  return [...counts].map(([version, count]) => ({ version, count })).sort((a, b) => b.count - a.count);
}
