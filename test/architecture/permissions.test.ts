/** The policy document the README tells users to attach allows exactly the calls the AWS adapter makes. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const prefixes: Record<string, string> = {
  'client-auto-scaling': 'autoscaling',
  'client-ec2': 'ec2',
  'client-elastic-load-balancing-v2': 'elasticloadbalancing',
};

/** Actions as IAM names them, from the commands and paginators the adapter's files import. */
const called = new Set(
  globSync('pipeline/cloud/aws/**/*.ts', { cwd: root }).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return [...text.matchAll(/import \{([^}]*)\} from '@aws-sdk\/(client-[\w-]+)'/g)].flatMap(
      ([, names, client]) =>
        [...names!.matchAll(/\b(?:paginate([A-Z]\w+)|([A-Z]\w+)Command)\b/g)].map(
          (match) => `${prefixes[client!]}:${match[1] ?? match[2]}`,
        ),
    );
  }),
);

interface Statement {
  Sid: string;
  Action: string | string[];
  Resource: string | string[];
  Condition?: unknown;
}
const { Statement: statements } = JSON.parse(readFileSync(join(root, '.github/aws-policy.json'), 'utf8')) as {
  Statement: Statement[];
};
const allowedBy = (statement: Statement) => [statement.Action].flat();

test('every call of the adapter is allowed', () => {
  const allowed = new Set(statements.flatMap(allowedBy));
  // Registering an image is how the simulated account learns of a locally built one; on AWS Packer creates it.
  const needed = [...called].filter((action) => action !== 'ec2:RegisterImage');
  expect(needed.length).toBeGreaterThan(10);
  expect(needed.filter((action) => !allowed.has(action))).toEqual([]);
});

test('what is allowed for observing and rolling is called', () => {
  const rolling = statements
    .filter(({ Sid }) => !/Packer|Ssh|Ssm|LaunchFrom|Pass/.test(Sid))
    .flatMap(allowedBy);
  expect(rolling.filter((action) => !called.has(action))).toEqual([]);
});

test('changes of groups, templates and target groups are limited to those that carry the tag', () => {
  const changing = statements.filter((statement) =>
    allowedBy(statement).some((action) =>
      /^(autoscaling|elasticloadbalancing):(?!Describe)|CreateLaunchTemplateVersion/.test(action),
    ),
  );
  expect(changing.length).toBeGreaterThan(2);
  expect(changing.filter((statement) => !statement.Condition).map(({ Sid }) => Sid)).toEqual([]);
});

test('nothing is stopped, terminated or deleted that a release has not made, and only its own roles are passed', () => {
  const ending = statements.filter((statement) =>
    allowedBy(statement).some((action) => /^ec2:(Stop|Terminate|Deregister|DeleteSnapshot)/.test(action)),
  );
  expect(ending.map(({ Condition }) => JSON.stringify(Condition))).toEqual([
    expect.stringContaining('ResourceTag/drover:release'),
  ]);
  const passing = statements.filter((statement) => allowedBy(statement).includes('iam:PassRole'));
  expect(passing.map(({ Resource }) => Resource)).toEqual(['arn:aws:iam::*:role/drover-*']);
});
