import { expect, test } from 'vitest';
import { createQuestions } from '../../pipeline/rollout/questions.ts';

const never = new AbortController().signal;
/** Lets everything happen that needs nobody. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A question whose answers the test gives. */
function held<T>() {
  const asked: PromiseWithResolvers<T>[] = [];
  const question = () => {
    const answer = Promise.withResolvers<T>();
    asked.push(answer);
    return answer.promise;
  };
  return { asked, question };
}

test('an answer is taken once as new and stands until the next one comes', async () => {
  const questions = createQuestions(never);
  const { asked, question } = held<string>();
  expect(questions.ask('a', question)).toEqual({ answer: null, isNew: false });
  asked[0]!.resolve('first');
  await settle();
  expect(questions.ask('a', question)).toEqual({ answer: 'first', isNew: true });
  expect(questions.ask('a', question)).toEqual({ answer: 'first', isNew: false });
  expect(asked).toHaveLength(2);
  asked[1]!.resolve('second');
  await settle();
  expect(questions.ask('a', question)).toEqual({ answer: 'second', isNew: true });
});

test('a question that hangs holds up no other', async () => {
  const questions = createQuestions(never);
  questions.ask('slow', held().question);
  questions.ask('quick', async () => 'there');
  await settle();
  expect(questions.ask('quick', async () => 'there')).toMatchObject({ answer: 'there', isNew: true });
});

test('never more than the limit are under way, and the others get their turn in order', async () => {
  const questions = createQuestions(never, 2);
  const { asked, question } = held<number>();
  for (const name of ['a', 'b', 'c', 'd']) questions.ask(name, question);
  expect(asked).toHaveLength(2);
  asked[1]!.resolve(1);
  await settle();
  expect(asked).toHaveLength(3);
  asked[2]!.resolve(2);
  await settle();
  expect(questions.ask('c', question)).toMatchObject({ answer: 2, isNew: true });
});

test('what nobody asks any more is forgotten, also while it waits its turn', async () => {
  const questions = createQuestions(never, 1);
  const { asked, question } = held<string>();
  questions.ask('a', question);
  questions.ask('b', question);
  questions.sweep();
  questions.ask('a', question);
  questions.sweep();
  asked[0]!.resolve('first');
  await settle();
  expect(asked).toHaveLength(1);
  expect(questions.ask('b', question)).toEqual({ answer: null, isNew: false });
});

test('what a question throws is thrown at whoever asks next', async () => {
  const questions = createQuestions(never);
  const broken = async () => {
    throw new TypeError('a bug');
  };
  questions.ask('a', broken);
  await settle();
  expect(() => questions.ask('a', broken)).toThrow('a bug');
});

test.each(['the end', 'a stop by hand'])('%s cuts off what is under way', async (what) => {
  const stop = new AbortController();
  const questions = createQuestions(stop.signal);
  let isCut = false;
  questions.ask('a', (signal) => {
    const { promise, reject } = Promise.withResolvers<string>();
    signal.addEventListener('abort', () => {
      isCut = true;
      reject(signal.reason);
    });
    return promise;
  });
  if (what === 'a stop by hand') stop.abort(new Error('SIGINT'));
  await questions.end();
  expect(isCut).toBe(true);
});
