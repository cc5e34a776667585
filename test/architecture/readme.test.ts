/** What README.md tells people to write is accepted, and the commands it names exist. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../pipeline/config/schema.ts';

const readme = readFileSync('README.md', 'utf8');
const fleet = {
  staging: { waves: [{ name: 'staging', groups: ['web-staging'] }] },
  production: { waves: [{ name: 'all', groups: ['web'] }] },
};

const examples = [...readme.matchAll(/^ *```yaml\n([\s\S]*?)^ *```$/gm)].map(([, text]) => text!);

test('there are examples of drover.yaml', () => {
  expect(examples.length).toBeGreaterThan(2);
});

test.each(examples)('drover.yaml may say\n%s', (example) => {
  const { success, error } = configSchema.safeParse({
    version: 1,
    image: { name: 'base' },
    fleet,
    ...(parse(example) as object),
  });
  expect(error?.issues ?? [], example).toEqual([]);
  expect(success).toBe(true);
});

test('every command it names is one of the command line', () => {
  const cli = readFileSync('pipeline/cli.ts', 'utf8');
  const words = new Set([...readme.matchAll(/\b(?:npx )?drover (?!\|)([a-z]+)/g)].map(([, word]) => word!));
  for (const word of words) expect(cli, `drover ${word}`).toContain(`'${word}`);
});
