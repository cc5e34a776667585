/** `drover prune`: deletes the disks of images that no group needs any more, and says what it left and why. */
import { relative } from 'node:path';
import { type Pruning, pruneDisks } from '../prune.ts';
import { size } from '../report/html-markup.ts';
import { actorOf, type Session } from './session.ts';
import { table, wrapped } from './table.ts';

export async function prune(session: Session, { dryRun = false }: { dryRun?: boolean }): Promise<void> {
  const { stateDirectory, clock } = session;
  const pruning = await pruneDisks({ stateDirectory, clock, actor: actorOf(), isDryRun: dryRun });
  const freedBytes = pruning.removed.reduce((sum, { bytes }) => sum + bytes, 0);
  session.print({ dryRun, freedBytes, ...pruning }, textOf(pruning, { stateDirectory, dryRun, freedBytes }));
}

function textOf(
  { removed, kept, unneededInCloud }: Pruning,
  { stateDirectory, dryRun, freedBytes }: { stateDirectory: string; dryRun: boolean; freedBytes: number },
): string {
  const rows = [
    ...kept.map(({ release, bytes, why }) => [release, size(bytes), `kept: ${why}`]),
    ...removed.map(({ release, path, bytes }) => [
      release,
      size(bytes),
      `${dryRun ? 'would be deleted' : 'deleted'}: ${relative(stateDirectory, path)}`,
    ]),
  ].sort(([one], [two]) => (one! < two! ? 1 : -1));
  const inCloud =
    unneededInCloud.length > 0
      ? `AMIs of releases that are over, neither run nor kept as the previous one by a group here: ${unneededInCloud
          .map(({ image }) => image)
          .join(', ')}. Drover deregisters none: others may launch from them.`
      : null;
  return [
    ...(rows.length > 0 ? [table(['release', 'size', 'disk'], rows), ''] : []),
    `${dryRun ? 'Would free' : 'Freed'} ${size(freedBytes)}; journals, scans and evidence stay.`,
    ...(inCloud ? wrapped(inCloud, '') : []),
  ].join('\n');
}
