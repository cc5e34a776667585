/** The simulation bites: engines that are wrong in one line are each caught within so many seeds. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { runSeeds } from './crew.ts';
import { mutants } from './mutants.list.ts';
import { mutated } from './mutants.ts';

/**
 * Most are caught by the first ten; those that need a rare coincidence by the first few hundred. Never as far as a seed
 * that breaks a rule without any mutant: it would catch them all.
 */
const seedsAtMost = 800;

test.each(mutants)('an engine that $name is caught', { timeout: 600_000 }, async (mutant) => {
  let caught = '';
  const request = { from: 1, count: seedsAtMost, threads: availableParallelism(), mutant };
  await runSeeds(request, ({ seed, violations }) => {
    if (violations.length > 0) caught = `seed ${seed}: ${violations[0]}`;
    return violations.length === 0;
  });
  expect(caught).not.toBe('');
});

test.each(mutants)('the line of "$name" is still there', (mutant) => {
  const source = readFileSync(new URL(`../../pipeline/${mutant.file}`, import.meta.url), 'utf8');
  expect(mutated(source, mutant)).not.toBe(source);
});

test('a mutant whose line has gone is refused, so that none is quietly out of work', () => {
  const gone = { name: 'gone', file: '', find: 'not there', replace: '' };
  expect(() => mutated('some source', gone)).toThrow(/'gone': its line is there 0 times/);
});
