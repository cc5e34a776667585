/**
 * The template version a wave's groups are moved to: one per group and release, made once however often it is asked
 * for. Before the first is made, every group that would follow it by itself is pinned to what it runs now. Pins and
 * makes versions; never moves a group onto one.
 */
import type { GroupObservation } from '../cloud/cloud.ts';
import type { GroupBaseline, JournalRecord } from '../journal/records.ts';
import { sha256 } from '../json.ts';
import { nextKey, recorded } from './act.ts';
import { baselineOf, journaledBaseline } from './baseline.ts';
import type { RolloutDeps } from './drive.ts';
import type { GroupSpec, WaveSpec } from './spec.ts';
import { followedIn, marking, refuseForeign } from './tags.ts';

export interface PreparedGroup {
  spec: GroupSpec;
  /** The group as it was before the release. */
  baseline: GroupBaseline;
  version: number;
}

/**
 * @param observed the wave's groups, and every other group of the fleet that exists
 * @throws Refused 'busy' when a group that must be pinned carries another release's marks
 */
export async function preparedVersions(
  deps: RolloutDeps,
  wave: WaveSpec,
  image: { id: string; name: string },
  observed: ReadonlyMap<string, GroupObservation>,
): Promise<PreparedGroup[]> {
  const prepared = await Promise.all(
    wave.groups.map(async (spec) => {
      const group = observed.get(spec.group)!;
      const baseline = await baselineFirst(deps, group);
      const known =
        baseline.imageId === image.id
          ? baseline.resolvedVersion
          : journaledVersion(deps.journal.records(), spec.group);
      return { spec, group, baseline, known };
    }),
  );
  const templates = prepared.flatMap(({ known, baseline }) => (known === null ? [baseline.templateId] : []));
  await pinFollowers(deps, [...observed.values()], templates);
  return await Promise.all(
    prepared.map(async ({ spec, group, baseline, known }) => ({
      spec,
      baseline,
      version: known ?? (await createVersion(deps, group.name, baseline, image)),
    })),
  );
}

/** The group's baseline, journaled before anything is changed. */
async function baselineFirst(
  { cloud, journal }: RolloutDeps,
  group: GroupObservation,
): Promise<GroupBaseline> {
  const known = journaledBaseline(journal.records(), group.name);
  if (known) return known;
  const baseline = await baselineOf(cloud, group);
  await journal.append({ type: 'group.baseline', data: baseline });
  return baseline;
}

/**
 * $Latest means the newest version from the moment it exists, also for groups whose wave is days away: whatever
 * they launch meanwhile would be on an image that nobody has proven there.
 */
async function pinFollowers(
  deps: RolloutDeps,
  groups: readonly GroupObservation[],
  templates: readonly string[],
): Promise<void> {
  const { cloud, journal } = deps;
  const followers = groups.filter(
    ({ template }) => template?.version === '$Latest' && templates.includes(template.id),
  );
  for (const group of followers) refuseForeign(group, journal.release);
  for (const group of followers) {
    const baseline = await baselineFirst(deps, group);
    const { resolvedVersion, templateVersion } = baseline;
    // Marked first: from the pin on, only the marks and the journal know what the group followed.
    const marks = marking(group, {
      release: journal.release,
      version: resolvedVersion,
      previousVersion: resolvedVersion,
      follows: followedIn(baseline),
      wanted: group.desired,
      raise: 0,
      max: null,
      maxRaised: [],
      suspended: [],
    });
    for (const { tags, why } of marks) {
      const key = nextKey(journal, group.name, 'tag');
      const intent = { key, group: group.name, action: 'tag', arguments: { tags }, why };
      await recorded(deps, intent, () => cloud.setGroupTags(group.name, tags));
    }
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
  group: string,
  { templateId, templateName, resolvedVersion }: GroupBaseline,
  image: { id: string; name: string },
): Promise<number> {
  const { cloud, journal } = deps;
  const { release } = journal;
  // One release makes one version per group, however often it is asked: EC2 answers a known token as before.
  const token = sha256(`${release} ${group}`);
  return await recorded(
    deps,
    {
      key: nextKey(journal, group, 'template'),
      group,
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
