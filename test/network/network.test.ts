import { expect, test } from 'vitest';
import { Refused } from '../../pipeline/errors.ts';
import { overNetwork } from '../../pipeline/network.ts';

test('a step that fails once is tried again', async () => {
  let tries = 0;
  const answer = await overNetwork(async () => {
    tries += 1;
    if (tries === 1) throw new Error('connection reset');
    return 'fetched';
  });
  expect({ answer, tries }).toEqual({ answer: 'fetched', tries: 2 });
});

test('what Drover refused is not tried again, and arrives as it was', async () => {
  let tries = 0;
  const refusal = new Refused('environment', 'no mirror is known', 'Name one.');
  await expect(
    overNetwork(async () => {
      tries += 1;
      throw refusal;
    }),
  ).rejects.toBe(refusal);
  expect(tries).toBe(1);
});

test('a stop by hand ends the waiting', async () => {
  const stop = new AbortController();
  const stopped = overNetwork(
    async () => {
      stop.abort(new Error('SIGINT'));
      throw new Error('connection reset');
    },
    { signal: stop.signal },
  );
  await expect(stopped).rejects.toThrow('SIGINT');
});
