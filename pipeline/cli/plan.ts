/** `drover plan`: what a rollout would meet and do, group by group. Reads only. */
import { planWaves } from '../fleet/waves.ts';
import { preflight } from '../rollout/preflight.ts';
import { configOf, type Session, withCloud } from './session.ts';
import { table } from './table.ts';

export async function plan(session: Session): Promise<void> {
  const config = configOf(session);
  const waves = (['staging', 'production'] as const).flatMap((name) => planWaves(config, name, false));
  const plans = await withCloud(session, config, (cloud) =>
    preflight({ cloud, clock: session.clock }, waves),
  );
  const rows = plans.map((p) => [
    `${p.environment}/${p.wave}`,
    p.group,
    String(p.toReplace),
    `+${p.surge}/-${p.unavailable}`,
    p.notices.join('; ') || 'nothing in the way',
  ]);
  session.print(plans, table(['wave', 'group', 'replace', 'surge/unavailable', 'notices'], rows));
}
