import { expect, test } from 'vitest';
import { allSettled, outcomeOf, unwrap } from '../../scans/outcome.ts';

test('a failure becomes a value that says why, and throws where it is needed', async () => {
  const outcome = await outcomeOf(Promise.reject(new Error('no scanner')));
  expect(outcome).toEqual({ reason: 'no scanner' });
  expect(() => unwrap(outcome)).toThrow('no scanner');
  expect(unwrap(await outcomeOf(Promise.resolve(1)))).toBe(1);
});

test('an abort is nobody’s failure', async () => {
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(outcomeOf(Promise.reject(new Error('killed')), signal)).rejects.toThrow('stopped');
});

test('a rejection waits until everything else has let go', async () => {
  const slow = Promise.withResolvers<string>();
  let rejected = false;
  const all = allSettled([Promise.reject(new Error('first')), slow.promise]).catch((error: Error) => {
    rejected = true;
    return error.message;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(rejected).toBe(false);
  slow.resolve('done');
  expect(await all).toBe('first');
});
