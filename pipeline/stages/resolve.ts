/** Resolve: everything a release needs exists and answers. Reads only; nothing is changed here. */
import { resolve as pathOf } from 'node:path';
import { loadProfile } from '../../hardening/profile.ts';
import { readBudget } from '../../scans/contents.ts';
import { readPolicies } from '../../scans/request.ts';
import { readKev } from '../../scans/vulnerabilities/kev.ts';
import type { Config } from '../config/schema.ts';
import { requireProgram, requireTools } from '../doctor/doctor.ts';
import { Failed, Refused, reasonOf } from '../errors.ts';
import { planFleet } from '../fleet/waves.ts';
import { type GroupPlan, preflight } from '../rollout/preflight.ts';
import { type ReleaseContext, runStage } from './context.ts';

/** @param touchesGroups whether this run goes on to the groups once it has an image: then nothing may be in the way */
export const resolve = (
  context: ReleaseContext,
  { touchesGroups }: { touchesGroups: boolean },
): Promise<void> =>
  runStage(context, 'resolve', async ({ config, root, cloud, clock, emergency, progress }) => {
    await readRules(root, config.image);
    await readScanners(root, config.scan);
    const waves = planFleet({ config, root, emergency });
    const plans = await preflight({ cloud, clock }, waves);
    for (const { group, blockers, notices } of plans) {
      for (const notice of [...blockers, ...notices]) progress.note(`${group}: ${notice}`);
    }
    const [ready, blocked] = [plans.filter(isReady), plans.filter((plan) => !isReady(plan))];
    if (touchesGroups && blocked.length > 0) throw inTheWay(blocked);
    await requireTools(config.image.builder);
    const instances = ready.reduce((sum, plan) => sum + plan.toReplace, 0);
    const of = blocked.length > 0 ? ` of ${plans.length}` : '';
    return { summary: `${ready.length}${of} groups with ${instances} instances are ready to be rolled` };
  });

const isReady = ({ blockers }: GroupPlan): boolean => blockers.length === 0;

/** What would end the rollout in an hour, when staging has been moved, is better met now. */
const inTheWay = (blocked: readonly GroupPlan[]): Failed =>
  new Failed(
    'gate',
    blocked.map(({ group, blockers }) => `${group} cannot be rolled: ${blockers.join('; ')}`).join('; '),
    'Change that first; `drover plan` says when nothing is in the way. `drover build` and `drover scan` go on without.',
  );

/** What the image will be built to and judged by: a mistake there is better met now than when the image is made. */
async function readRules(
  root: string,
  { hardening, policies, budget, role }: Config['image'],
): Promise<void> {
  loadProfile(pathOf(root, hardening));
  await readPolicies(pathOf(root, policies));
  readBudget(pathOf(root, budget), role);
}

/** A scanner that cannot be started fails the scan: that, too, can be known before there is an image. */
async function readScanners(root: string, { scanners, kev }: Config['scan']): Promise<void> {
  for (const [index, { argv }] of scanners.entries()) requireProgram(argv[0]!, `scan.scanners.${index}.argv`);
  if (kev === undefined) return;
  const path = pathOf(root, kev);
  try {
    await readKev(path);
  } catch (error) {
    throw new Refused(
      'invalid',
      `${path}: ${reasonOf(error)}`,
      "Put CISA's catalogue there, as downloaded, or leave scan.kev out of drover.yaml.",
      { cause: error },
    );
  }
}
