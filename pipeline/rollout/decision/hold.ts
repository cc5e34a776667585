/**
 * Keeps Auto Scaling from ending instances while an instance refresh is called off. Pure; when one is called off is
 * refresh.ts.
 *
 * What a refresh has launched ahead is too much from the moment it is cancelled, and Auto Scaling would end as many of
 * the oldest, which are those that serve. No single call cancels and raises desired; raised before, desired would have
 * the refresh launch as many more. So Terminate is suspended first, marked and journaled like everything the engine
 * borrows, and resumed only when desired covers what is there. Whatever dies in between, the group loses nobody, and
 * whoever goes on (a resumed run, a rollback, a recovery) finds the hold and ends it.
 *
 * While Terminate is suspended "InstanceRefresh does not replace instances", and nothing in service is ended; others may
 * be: "It does not prevent the termination of instances in other states, such as Pending".
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/understand-how-suspending-processes-affects-other-processes.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/suspend-resume-considerations.html
 */
import type { Action, Assignment, Memory, Snapshot } from '../state.ts';
import { borrowed } from './borrow.ts';
import type { View } from './view.ts';

const terminate = 'Terminate';

export const isHeld = ({ owed }: Pick<Memory, 'owed'>): boolean => owed.suspended.includes(terminate);

export const showsHold = ({ suspendedProcesses }: Snapshot['group']): boolean =>
  suspendedProcesses.includes(terminate);

/** From here on Auto Scaling ends nothing that serves. Nothing to do where it is kept from that already. */
export function hold(
  assignment: Assignment,
  { group }: Pick<Snapshot, 'group'>,
  memory: Memory,
  view: View,
): Action[] {
  if (showsHold(group)) return [];
  const why = 'Auto Scaling would end instances that serve for those its refresh has launched ahead';
  return borrowed(assignment, { group }, memory, view, { suspend: [terminate], why, change: {} });
}

/**
 * Desired is raised to what is there, and Auto Scaling may end instances again: none is one too many. Where fewer are wanted
 * than when the refresh began, that is more than the surge; who goes then is chosen by health, and drained, while Auto
 * Scaling would take the oldest. By a reading that shows the hold, which is therefore no older than the last launch.
 */
export function unhold(
  assignment: Assignment,
  { group }: Pick<Snapshot, 'group'>,
  memory: Memory,
  view: View,
): Action[] {
  const raised = view.staying.length;
  const max = raised > group.max ? { max: raised } : {};
  const change = raised > view.desired ? { desired: raised, ifDesired: view.desired, ...max } : {};
  return [
    ...borrowed(assignment, { group }, memory, view, { suspend: [], why: '', change }),
    { type: 'resume', processes: [terminate], why: 'no instance is one too many' },
  ];
}
