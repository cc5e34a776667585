/**
 * Instances that are to be replaced, and are held back by scale-in protection or Standby where the policy is to wait: who
 * they are, and the command by which a person lets them go. Pure.
 */
import type { GroupObservation, InstanceObservation } from '../../cloud/cloud.ts';
import type { Assignment, Memory } from '../state.ts';
import { counted, held, outdated, standby } from './members.ts';

/** Outdated and waiting for a person or the application to release them. */
export const heldBack = (
  assignment: Assignment,
  { instances }: Pick<GroupObservation, 'instances'>,
  memory: Pick<Memory, 'instances' | 'drains'>,
): InstanceObservation[] =>
  instances.filter(
    (one) =>
      (counted(one) || standby(one)) &&
      !memory.instances[one.id]?.terminated &&
      memory.drains[one.id] === undefined &&
      outdated(assignment, one) &&
      held(assignment, one) === 'wait',
  );

/** SetInstanceProtection: "You can specify up to 50 instances"; EnterStandby's and ExitStandby's page names no more. */
const idsPerCall = 50;

/** One sentence for the protected and one for those in Standby, each with what lets them go; none for nobody. */
export function heldReasons(
  { spec: { group }, goal }: Assignment,
  waiting: readonly InstanceObservation[],
): string[] {
  const aside = waiting.filter(standby);
  const guarded = waiting.filter((one) => !standby(one));
  const image = goal.kind === 'replace' ? 'previous image' : 'image that is left behind';
  const command = (verb: string, instances: readonly InstanceObservation[], flag = ''): string => {
    const ids = instances.slice(0, idsPerCall).map(({ id }) => id);
    return `aws autoscaling ${verb} --auto-scaling-group-name ${group} --instance-ids ${ids.join(' ')}${flag}`;
  };
  const named = [
    guarded.length > 0 &&
      `${guarded.length} on the ${image} protected from scale-in, waited for: ${command('set-instance-protection', guarded, ' --no-protected-from-scale-in')}`,
    aside.length > 0 &&
      `${aside.length} on the ${image} in Standby, waited for: ${command('exit-standby', aside)}`,
  ];
  return named.filter((sentence) => sentence !== false);
}
