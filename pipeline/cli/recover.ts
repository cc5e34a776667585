/** `drover recover GROUP`: a group back to what its marks say, when the journal of the release that set them is lost. */
import { recoverGroup } from '../release.ts';
import { examine, type RecoveryReport } from '../stages/recover.ts';
import { configOf, type Session, surroundings, withCloud } from './session.ts';

export async function recover(
  session: Session,
  group: string,
  options: { reason?: string; dryRun?: boolean },
): Promise<void> {
  const config = configOf(session);
  const reason = options.reason ?? `recovery of ${group} from its marks`;
  let release: string | null = null;
  const report = await withCloud(session, config, (cloud) => {
    const around = surroundings(session, config, cloud, { reason, emergency: false });
    if (options.dryRun) return examine(around, group);
    return recoverGroup(around, group, (id) => {
      release = id;
      session.progress.note(`recovery ${id}`);
    });
  });
  const next = nextOf(group, report, release);
  session.print({ group, recovery: release, report, next }, textOf(group, report, next));
}

function nextOf(group: string, report: RecoveryReport | null, release: string | null): string {
  if (!report) return 'There is nothing to recover.';
  if (!report.instances) return `\`drover recover ${group}\` does it.`;
  const mixed =
    report.instances.length > 1
      ? 'Instances of different versions serve side by side; the next `drover run` replaces them all. '
      : '';
  return `${mixed}The record: \`drover status ${release}\`, \`drover evidence export ${release}\`.`;
}

function textOf(group: string, report: RecoveryReport | null, next: string): string {
  if (!report) return `${group} carries no marks of a release. ${next}`;
  const { found, undone, left, instances } = report;
  const section = (title: string, sentences: readonly string[]) =>
    sentences.length > 0 ? [`  ${title}`, ...sentences.map((sentence) => `    ${sentence}`)] : [];
  const running = (instances ?? []).map(
    ({ version, count }) =>
      `${count} of ${version === null ? 'no version of its template' : `version ${version}`}`,
  );
  return [
    group,
    ...section('found', found),
    ...section(instances ? 'undone' : 'to be undone', undone),
    ...section('left as it is', left),
    ...section('instances', running),
    `Next: ${next}`,
  ].join('\n');
}
