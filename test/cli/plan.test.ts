/** What an operator reads before a rollout: a table that fits, complete facts as JSON, and an account left alone. */
import { expect, test } from 'vitest';
import { quickConfig, sandbox } from './drover.ts';

/** AWS allows 255 characters. */
const longName = `web-${'very-'.repeat(20)}long`;
const config = quickConfig.replaceAll('web-b', longName).replace('passes: 2', 'passes: 2, surge: 1');

test('plan and rehearse fit a terminal of 100 columns, say all as JSON, and change nothing', async ({
  onTestFinished,
}) => {
  const box = sandbox(config.replace('surge: 100%, ', ''));
  onTestFinished(box.remove);
  const before = await box.groups();

  const planned = await box.drover('plan');
  expect(planned.exitCode, planned.stderr).toBe(0);
  expect(planned.stdout).toMatch(/About .* with soaks, at least .* calls to AWS/);
  const facts = await box.drover('plan', '--json');
  expect(JSON.parse(facts.stdout)).toMatchObject({
    outcome: 'promoted',
    durationMs: expect.any(Number),
    leastMs: expect.any(Number),
    calls: { changing: expect.any(Number), reading: expect.any(Number) },
    groups: [
      { group: 'web-staging', toReplace: 1, surge: 1, floor: 1, blockers: [], pacing: { readyMs: 1_000 } },
      { group: 'web-a', previous: { version: 1 } },
      { group: longName },
    ],
  });

  const fault = '{"kind":"unhealthy","environment":"production"}';
  const rehearsed = await box.drover('rehearse', '--fault', fault);
  expect(rehearsed.exitCode, rehearsed.stderr).toBe(5);
  expect(rehearsed.stderr).toMatch(/rehearsal ended rolled back: web-a: .*status checks/);
  expect(rehearsed.stderr).toContain('Nothing was changed');
  for (const line of `${planned.stdout}\n${rehearsed.stdout}`.split('\n')) {
    expect(line.length, line).toBeLessThanOrEqual(100);
  }
  expect(await box.groups()).toEqual(before);
  expect((await box.drover('status')).stderr).toContain('there is no release');
});

test('an image, a fault or a duration that is none is refused with what there is', async ({
  onTestFinished,
}) => {
  const box = sandbox();
  onTestFinished(box.remove);
  for (const [option, value, remedy] of [
    ['--image', 'ami-0', 'Leave --image out'],
    ['--fault', 'bad-luck', 'spot-interruption'],
    ['--fault', '{"kind":', 'as JSON'],
    ['--boot', 'soon', '90s'],
  ] as const) {
    const { exitCode, stderr } = await box.drover('rehearse', option, value);
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain(remedy);
    expect(stderr).toContain(value);
  }
});
