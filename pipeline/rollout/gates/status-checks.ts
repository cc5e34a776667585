/**
 * EC2's system and instance status checks. An instance still booting may be reported impaired for a while; one
 * that has been serving and is impaired has failed.
 */
import type { Answer } from '../state.ts';
import type { Subject } from './gates.ts';

export function statusChecks({ instance, served }: Subject): Answer {
  const source = 'status-checks';
  const checks = instance.statusChecks;
  if (checks === 'ok') return { status: 'passed', source, reason: 'status checks are ok' };
  if (checks === null) return { status: 'waiting', source, reason: 'EC2 reports no status checks yet' };
  return {
    status: checks === 'impaired' && served ? 'failed' : 'waiting',
    source,
    reason: `status checks are ${checks}`,
  };
}
