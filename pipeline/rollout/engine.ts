/**
 * Rolls one wave: prepares a template version per group, drives all groups onto it at once, soaks, and records how
 * it ended. A wave that fails is left as it is, with every group serving; rolling back is the caller's decision
 * (rollback.ts). A wave that was begun by another process is simply gone on with.
 */
import { CloudError, type GroupObservation } from '../cloud/cloud.ts';
import type { GroupBaseline, JournalRecord } from '../journal/records.ts';
import { sha256 } from '../json.ts';
import { nextKey, recorded } from './act.ts';
import { baselineOf, journaledBaseline, missingGroup } from './baseline.ts';
import { drive, type Ending, type RolloutDeps } from './drive.ts';
import { withSteps } from './group-steps.ts';
import { freshMemory } from './owed.ts';
import { recalled } from './recall.ts';
import type { GroupSpec, WaveSpec } from './spec.ts';
import type { Assignment } from './state.ts';
import { refuseForeign } from './tags.ts';

export type { RolloutDeps } from './drive.ts';

export type WaveOutcome = { outcome: 'promoted' } | { outcome: 'failed'; reason: string; groups: string[] };

/**
 * @throws Refused before anything was changed, Interrupted at a safe point when the signal aborts, Stuck when a
 *   person is needed. Everything else that goes wrong is the outcome 'failed'.
 */
export async function runWave(
  deps: RolloutDeps,
  wave: WaveSpec,
  image: { id: string; name: string },
): Promise<WaveOutcome> {
  const { cloud, journal } = deps;
  const known = journaledOutcome(journal.records(), wave);
  if (known) return known;
  const names = wave.groups.map(({ group }) => group);
  const observed = new Map((await cloud.observe(names, 0)).map((group) => [group.name, group]));
  for (const name of names) {
    const group = observed.get(name);
    if (!group) throw missingGroup(name, wave.environment, wave.name);
    refuseForeign(group, journal.release);
  }

  const { environment, name } = wave;
  await journal.append({
    type: 'wave.started',
    data: { environment, wave: name, groups: names, imageId: image.id },
  });
  const outcome = await rolled(deps, wave, image, observed);
  const reason =
    outcome.outcome === 'failed' ? outcome.reason : `${names.join(', ')} on ${image.name} (${image.id})`;
  await journal.append({
    type: 'wave.finished',
    data: { environment, wave: name, outcome: outcome.outcome, reason },
  });
  return outcome;
}

/** A wave that has ended, and was not touched by a rollback since, is not begun again. */
function journaledOutcome(
  records: readonly JournalRecord[],
  { environment, name }: WaveSpec,
): WaveOutcome | null {
  for (const record of [...records].reverse()) {
    if (record.type === 'rollback.started') return null;
    if (record.type !== 'wave.finished' && record.type !== 'wave.started') continue;
    if (record.data.environment !== environment || record.data.wave !== name) continue;
    if (record.type === 'wave.started') return null;
    const { outcome, reason } = record.data;
    return outcome === 'promoted' ? { outcome } : { outcome, reason, groups: [] };
  }
  return null;
}

async function rolled(
  deps: RolloutDeps,
  wave: WaveSpec,
  image: { id: string; name: string },
  observed: ReadonlyMap<string, GroupObservation>,
): Promise<WaveOutcome> {
  let assignments: Assignment[];
  try {
    assignments = await Promise.all(
      wave.groups.map((spec) => assign(deps, spec, image, observed.get(spec.group)!)),
    );
  } catch (error) {
    if (!(error instanceof CloudError)) throw error;
    return { outcome: 'failed', reason: error.message, groups: wave.groups.map(({ group }) => group) };
  }
  const titles = assignments.map(({ spec }) => spec.group);
  return await withSteps(deps.progress, titles, async (steps) => {
    const now = deps.clock.now();
    const records = deps.journal.records();
    const tracks = assignments.map((assignment, index) => {
      const fresh = freshMemory(assignment.baseline.desired, now);
      const memory = recalled(records, assignment.spec.group, fresh);
      return { assignment, memory, progress: steps[index]!.progress };
    });
    const soakMs = Math.max(0, ...wave.groups.map((spec) => spec.soakMs));
    const endings = await drive(deps, tracks, { soakMs, together: true });
    const failed = endings.filter(({ status }) => status === 'failed');
    for (const { group, reason } of failed) steps[titles.indexOf(group)]!.close(new Error(reason));
    if (failed.length > 0) {
      for (const step of steps) step.close(new Error('left as it is, because the wave failed'));
      const reason = failed.map((ending) => `${ending.group}: ${ending.reason}`).join('; ');
      return { outcome: 'failed', reason, groups: failed.map(({ group }) => group) };
    }
    for (const ending of endings) {
      const { baseline, goal } = assignments[titles.indexOf(ending.group)]!;
      await recordFinish(deps, ending, baseline, goal.version, image.name);
    }
    return { outcome: 'promoted' };
  });
}

async function recordFinish(
  { cloud, journal }: RolloutDeps,
  { group, after }: Ending,
  baseline: GroupBaseline,
  version: number,
  imageName: string,
): Promise<void> {
  const isUnchanged =
    baseline.templateVersion === String(version) &&
    baseline.instances.every((instance) => instance.version === version);
  await journal.append({
    type: 'group.finished',
    data: {
      group,
      outcome: isUnchanged ? 'unchanged' : 'promoted',
      reason: isUnchanged ? `ran ${imageName} already` : `every instance runs ${imageName}`,
      after: after && (await baselineOf(cloud, after)),
    },
  });
}

/** The group's baseline, journaled before anything is changed, and the version it is to be moved to. */
async function assign(
  deps: RolloutDeps,
  spec: GroupSpec,
  image: { id: string; name: string },
  group: GroupObservation,
): Promise<Assignment> {
  const { cloud, journal } = deps;
  let baseline = journaledBaseline(journal.records(), spec.group);
  if (!baseline) {
    baseline = await baselineOf(cloud, group);
    await journal.append({ type: 'group.baseline', data: baseline });
  }
  const version =
    baseline.imageId === image.id
      ? baseline.resolvedVersion
      : (journaledVersion(journal.records(), spec.group) ??
        (await createVersion(deps, group, baseline, image)));
  return { release: journal.release, spec, baseline, goal: { kind: 'replace', version, abandoned: null } };
}

/** The template version this release made for a group; null while it has made none. */
export function journaledVersion(records: readonly JournalRecord[], group: string): number | null {
  const keys = new Set<string>();
  let version: number | null = null;
  for (const record of records) {
    if (record.type === 'intent' && record.data.group === group && record.data.action === 'template') {
      keys.add(record.data.key);
    }
    if (record.type === 'outcome' && record.data.status === 'done' && keys.has(record.data.key)) {
      version = Number(record.data.result?.version);
    }
  }
  return version;
}

async function createVersion(
  deps: RolloutDeps,
  group: GroupObservation,
  { templateId, templateName, templateVersion, resolvedVersion }: GroupBaseline,
  image: { id: string; name: string },
): Promise<number> {
  const { cloud, journal } = deps;
  const { release } = journal;
  if (group.template?.version === '$Latest') {
    // The new version would be the latest at once: whatever launches before the group is pinned would be on it.
    await recorded(
      deps,
      {
        key: nextKey(journal, group.name, 'pin'),
        group: group.name,
        action: 'pin',
        arguments: { version: resolvedVersion },
        why: `${templateVersion} would follow the version about to be made`,
      },
      () => cloud.updateGroup(group.name, { templateVersion: resolvedVersion }),
    );
  }
  // One release makes one version per group, however often it is asked: EC2 answers a known token as before.
  const token = sha256(`${release} ${group.name}`);
  return await recorded(
    deps,
    {
      key: nextKey(journal, group.name, 'template'),
      group: group.name,
      action: 'template',
      arguments: { templateId, sourceVersion: String(resolvedVersion), imageId: image.id, token },
      why: `launch template ${templateName} gets a version that launches ${image.name}`,
    },
    () =>
      cloud.createTemplateVersion({
        templateId,
        sourceVersion: String(resolvedVersion),
        imageId: image.id,
        description: `${image.name}, drover release ${release}`,
        token,
      }),
    (version) => ({ version }),
  );
}
