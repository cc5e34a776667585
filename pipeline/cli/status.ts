/** `drover status`: where a release stands, read from its journal alone. */
import { listReleases, locateRelease, readRelease, releasesDirectory } from '../journal/releases.ts';
import { statusText } from '../report/summary.ts';
import type { Session } from './session.ts';
import { table } from './table.ts';

export async function status(session: Session, wanted: string, options: { all?: boolean }): Promise<void> {
  const { stateDirectory } = session;
  if (options.all) {
    const releases = await listReleases(stateDirectory);
    const facts = releases.map(({ id, state, problem }) => ({
      id,
      status: state?.status ?? 'unreadable',
      opened: state?.openedAt ?? '',
      reason: state?.reason ?? problem?.message ?? '',
    }));
    const rows = facts.map((fact) => [fact.id, fact.status, fact.opened, fact.reason]);
    const none = `there is no release in ${releasesDirectory(stateDirectory)}`;
    const text = rows.length > 0 ? table(['release', 'status', 'opened', 'reason'], rows) : none;
    session.print(facts, text);
    return;
  }
  const state = await readRelease(stateDirectory, await locateRelease(stateDirectory, wanted));
  session.print(state, statusText(state));
}
