/** Everything in a scenario for which a release may fail, be rolled back, or be handed to a person; and what must fail. */
import type { Journal } from '../../pipeline/journal/records.ts';
import type { GroupSpec } from '../../pipeline/rollout/spec.ts';
import { nameOf } from './account.ts';
import type { FaultDraw, Scenario } from './scenario.ts';

/** The SDK tries again for about 25 s where it may; five refusals in a row are a failure. */
const apiPatienceS = 60;

export function excusesOf(scenario: Scenario): string[] {
  const { happenings, weather, image, groups, faults, http } = scenario;
  const number = (kind: string) => [...happenings, ...faults].filter((one) => one.kind === kind).length;
  const held = groups.filter(
    (one) => one.held === 'wait' && (one.guarded + one.aside > 0 || one.protectsNew),
  );
  const taken = number('die') + number('spot-interruption') + number('death');
  const asks = groups.some((one) => one.httpGate || one.hookDrain || one.handover);
  const isStubborn = groups.some(({ hookDrain, handover }) =>
    [hookDrain, handover].some((work) => work && work.workS === null && work.onDeadline === 'fail'),
  );
  const excuses = [
    !['good', 'boots-slowly'].includes(image) && `the image is ${image}`,
    // Two checks of a target group may fail before the software is up. Then five must pass, thirty seconds apart, and five
    // and the boot take longer than a gate waits.
    image === 'boots-slowly' && groups.some((one) => one.isLoadBalanced) && 'targets turn healthy late',
    // It is theirs from then on, and the release ends.
    number('template') > 0 && 'somebody sets the template version',
    // By policy; otherwise they are given up.
    number('drains-stick') + number('slow-drain') > 0 &&
      groups.some((one) => one.isLoadBalanced && one.onDrainDeadline === 'fail') &&
      'drains end too late, and must not',
    // An instance that does not come is waited for as long as a gate.
    number('no-capacity') > 0 && 'there is no capacity for a while',
    // One is chance; see lossesAllowed. Software that fails is what the gates are for.
    taken > 1 && 'instances die',
    faults.some((one) => one.kind === 'death' && one.of === 'software') && 'software fails',
    // By policy whoever is held back is waited for, until the deadline.
    number('protect') + number('stand-by') > 0 &&
      groups.some((one) => one.held === 'wait') &&
      'somebody holds an instance back',
    held.length > 0 && 'somebody has to release an instance',
    // What a refresh has launched ahead is protected too, and nobody may end it once the refresh is cancelled.
    groups.some((one) => one.protectsNew && one.strategy.type === 'instance-refresh') &&
      'what is too much is protected',
    isRefused(weather) && 'calls are refused again and again',
    happenings.some((one) => one.kind === 'clock-jump') && 'the clock jumps over deadlines',
    groups.some(({ alarm }) => alarm?.rings) && 'an alarm rings',
    number('denied') > 0 && 'calls are denied',
    // While the SDK waits for one, nothing else is done to the group, for as long as a gate's deadline.
    number('timeout') + number('lost-response') > 0 && 'answers are lost',
    faults.reduce((sum, one) => sum + refusedForS(one), 0) > apiPatienceS && 'the API refuses for long',
    http.length > 0 && asks && 'services answer badly',
    isStubborn && 'work never ends, and must',
  ];
  return excuses.filter((excuse) => excuse !== false);
}

/** Five refusals in a row are a failure; what is tried again may begin with a call that had succeeded. */
const mostTried = 12;
function isRefused(weather: Scenario['weather']): boolean {
  const refused = weather.filter(({ does }) => does !== 'lost').map(({ call }) => call);
  const calls = [...new Set(refused)].sort((a, b) => a - b);
  return calls.some((call, index) => calls[index + 4]! - call < mostTried);
}

const refusedForS = (fault: FaultDraw): number =>
  fault.kind === 'server-error' || fault.kind === 'throttled' ? fault.forS : 0;

/** Not one instance of the image ever serves, and there is at least one to replace. */
export const mustFail = ({ image, groups, happenings, faults }: Scenario): boolean =>
  (image === 'unhealthy' || image === 'never-boots') &&
  happenings.length === 0 &&
  faults.length === 0 &&
  groups.some(({ desired, guarded, held }) => desired > (held === 'ignore' ? guarded : 0));

/** Longer than it takes to see an alarm as often in a row as any scenario asks for. */
const alarmSeenMs = 120_000;

/** A wave is not promoted while the alarm of one of its groups rings. */
export function alarmsRung(
  scenario: Scenario,
  groups: readonly GroupSpec[],
  journal: Journal,
  startedAt: number,
): string[] {
  const { deaths, happenings } = scenario;
  if (deaths.length > 0 || happenings.some(({ kind }) => kind === 'clock-jump')) return [];
  const records = journal.records();
  return scenario.groups.flatMap(({ alarm }, index) => {
    if (!alarm?.rings) return [];
    const { wave, environment } = groups.find(({ group }) => group === nameOf(index))!;
    const isIts = (data: { wave: string; environment: string }) =>
      data.wave === wave && data.environment === environment;
    const began = records.find((record) => record.type === 'wave.started' && isIts(record.data));
    const ended = records.find((record) => record.type === 'wave.finished' && isIts(record.data));
    if (!began || ended?.type !== 'wave.finished' || ended.data.outcome !== 'promoted') return [];
    const rungAt = startedAt + alarm.rings.atS * 1000;
    const from = Math.max(rungAt, Date.parse(began.at));
    const to = Math.min(rungAt + alarm.rings.forS * 1000, Date.parse(ended.at));
    return to - from >= alarmSeenMs ? [`promoted while the alarm of ${nameOf(index)} rang`] : [];
  });
}
