/** `drover policy test`: every policy against its own examples, as an engineer who edits them would ask. */
import { resolve } from 'node:path';
import { readPolicies } from '../../scans/request.ts';
import { Failed } from '../errors.ts';
import { wrongExamples } from '../policy/policy.ts';
import { configOf, rootOf, type Session } from './session.ts';
import { table } from './table.ts';

/** @throws Failed('gate') when a policy does not say of one of its examples what the example says it does */
export async function policyTest(session: Session, file: string | undefined): Promise<void> {
  const path = file ?? resolve(rootOf(session), configOf(session).image.policies);
  const facts = (await readPolicies(path)).map((policy) => ({
    id: policy.id,
    level: policy.level,
    examples: policy.examples.passing.length + policy.examples.failing.length,
    wrong: wrongExamples(policy),
  }));
  const rows = facts.map(({ id, level, examples, wrong }) => [
    id,
    level,
    String(examples),
    wrong.length === 0 ? 'as they say' : wrong.join('; '),
  ]);
  session.print(facts, table(['policy', 'level', 'examples', 'result'], rows));
  const broken = facts.filter(({ wrong }) => wrong.length > 0).map(({ id }) => id);
  if (broken.length === 0) return;
  throw new Failed(
    'gate',
    `${broken.join(', ')}: not every example is what ${path} says it is`,
    'Correct the expression, or the example; nothing was changed.',
  );
}
