/** Bad input: each a message that names place and remedy, its own exit code, and nothing changed. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { openJournal } from '../../pipeline/journal/directory.ts';
import { releaseDirectory } from '../../pipeline/journal/releases.ts';
import { quickConfig, type Sandbox, sandbox, scannedRelease } from './drover.ts';

const shipped = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const policies = shipped('scans/policies.yaml');
/** A configuration that lies elsewhere than the project, and judges by the project's own rules. */
const configWith = (rules: { policies: string }): string =>
  quickConfig.replace(
    'image: { name: base }',
    `image: { name: base, hardening: ${shipped('hardening/cis-level1-server.yaml')}, policies: ${rules.policies}, budget: ${shipped('scans/budget.yaml')} }`,
  );

const boxes: Sandbox[] = [];
const box = (...given: Parameters<typeof sandbox>): Sandbox => {
  const made = sandbox(...given);
  boxes.push(made);
  return made;
};
afterEach(() => {
  for (const made of boxes.splice(0)) made.remove();
});

test('an unknown key in drover.yaml is refused with file, line and column', async () => {
  const made = box(quickConfig.replace('image:', 'imagge: {}\nimage:'));
  const { exitCode, stdout, stderr } = await made.drover('run');
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/drover\.yaml:3:1: imagge: unknown key/);
  expect(stderr).toMatch(/^Next: /m);
  expect(stderr + stdout).not.toMatch(/^\s+at /m);
  expect(existsSync(made.state)).toBe(false);
});

test('a configuration that is not there is refused by name', async () => {
  const { exitCode, stderr } = await box().drover('plan', '--config', 'nowhere.yaml');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('nowhere.yaml');
});

test('a policy file that is not there is refused before an image is made', async () => {
  const made = box(configWith({ policies: 'rules/nowhere.yaml' }));
  const { exitCode, stderr } = await made.drover('run');
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/rules\/nowhere\.yaml: .*no such file/);
  expect(stderr).toContain('Next: Name a policy file with image.policies.');
});

test('a scanner that is not here, and a catalogue that is none, are refused before an image is made', async () => {
  const scan = (setting: string) => `${configWith({ policies })}scan: { ${setting} }\n`;
  for (const [config, code, message, remedy] of [
    [
      scan('scanners: [{ format: grype, argv: [no-such-grype] }]'),
      3,
      /no-such-grype.*scan\.scanners\.0\.argv.*PATH/,
      'Install it',
    ],
    [scan('kev: drover.yaml'), 2, /drover\.yaml: .*KEV catalogue/, 'or leave scan.kev out'],
  ] as const) {
    const { exitCode, stderr } = await box(config).drover('run');
    expect(exitCode, stderr).toBe(code);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(remedy);
  }
});

test('what is in the way of a group ends a run before an image is made, and is no matter for a build', async () => {
  const gates = 'gates: [{ type: in-service }, { type: command, name: probe, argv: [no-such-probe] }]';
  const blocked = configWith({ policies }).replace('passes: 2', `passes: 2, groups: { web-b: { ${gates} } }`);
  // A machine that has none of the tools either.
  const made = box(blocked, { PATH: '/nowhere' });
  const run = await made.drover('run');
  expect(run.exitCode, run.stderr).toBe(5);
  expect(run.stderr).toMatch(/failed: web-b cannot be rolled: gate command: no-such-probe .*PATH/);
  expect(run.stderr).toContain('`drover plan` says when nothing is in the way');
  const build = await made.drover('build');
  expect(build.exitCode, build.stderr).toBe(3);
  expect(build.stdout).toContain('web-b: gate command: no-such-probe');
  expect(build.stderr).toContain('drover doctor');
});

test('a bundle that is not there is refused by its path, and no release is looked for', async () => {
  const { exitCode, stderr } = await box().drover('evidence', 'verify', '/nowhere');
  expect(exitCode, stderr).toBe(2);
  expect(stderr).toContain('there is no bundle at /nowhere');
  const made = box();
  const release = await scannedRelease(made);
  const unexported = await made.drover('evidence', 'verify');
  expect(unexported.exitCode, unexported.stderr).toBe(2);
  expect(unexported.stderr).toContain(`Next: Export it with \`drover evidence export ${release}\``);
});

test('a group the account does not have is refused by name, and no release changes anything', async () => {
  const made = box(quickConfig.replace('web-b: { desired: 2 }', ''));
  const planned = await made.drover('plan');
  expect(planned.exitCode).toBe(2);
  expect(planned.stderr).toMatch(/web-b.*fleet\.production|fleet\.production.*web-b/s);
});

test('an endpoint that does not answer is refused with its address', async () => {
  const aws = quickConfig
    .replace(
      'image: { name: base }',
      'cloud: aws\nimage: { name: base, builder: amazon-ebs, amazon: { instance_profile: drover-build } }',
    )
    .replace(/simulator:[\s\S]*/, '');
  const made = box(aws, {
    AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
  });
  for (const command of ['plan', 'run']) {
    const { exitCode, stderr } = await made.drover(command);
    expect(exitCode, stderr).toBe(3);
    expect(stderr).toContain('127.0.0.1:1');
  }
  expect(existsSync(join(made.state, 'releases'))).toBe(false);
});

test('a missing tool is refused with what it is for and how to get it', async () => {
  const made = box(configWith({ policies }), { PATH: '/nonexistent' });
  const { exitCode, stderr } = await made.drover('run', '--fault', 'unhealthy');
  expect(exitCode, stderr).toBe(3);
  // The fault had no image to befall; it must not wait for another release's.
  expect(JSON.parse(readFileSync(join(made.state, 'simulator', 'world.json'), 'utf8'))).toMatchObject({
    faults: [],
  });
  expect(stderr).toMatch(/packer \(builds the machine image/);
  expect(stderr).toContain('doctor --install');
});

test('doctor --json says what each tool is for, whether or not it is here', async () => {
  const { exitCode, stdout } = await box(configWith({ policies }), { PATH: '/nonexistent' }).drover(
    'doctor',
    '--json',
  );
  expect(exitCode).toBe(3);
  const { ready, tools, error } = JSON.parse(stdout);
  expect(ready).toBe(false);
  expect(error).toMatchObject({ kind: 'environment' });
  expect(tools.map((tool: { name: string }) => tool.name)).toEqual(
    expect.arrayContaining(['packer', 'qemu-system-x86_64', 'qemu-img', 'oscap', 'mmdebstrap']),
  );
});

test('a journal that was changed is refused with file and line, and left as it is', async () => {
  const made = box();
  const release = await scannedRelease(made);
  const file = join(made.state, 'releases', release, 'journal.jsonl');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"actor":"test"', '"actor":"eve!"'));
  const damaged = readFileSync(file);
  for (const command of ['status', 'resume', 'bake']) {
    const { exitCode, stderr } = await made.drover(command, release);
    expect(exitCode, command).toBe(8);
    expect(stderr).toContain('journal.jsonl');
  }
  expect(readFileSync(file)).toEqual(damaged);
});

test('a release of another account or region is left alone, and the message names both', async () => {
  for (const place of [{ account: '999999999999' }, { region: 'us-east-1', account: '123456789012' }]) {
    const made = box();
    const release = await scannedRelease(made, undefined, place);
    const records = await made.records(release);
    for (const argv of [['resume'], ['bake'], ['rollback', '--reason', 'test']]) {
      const { exitCode, stderr } = await made.drover(...argv, release);
      expect(exitCode, stderr).toBe(3);
      expect(stderr).toContain(`account ${place.account}`);
      expect(stderr).toContain('lead to simulator, account 123456789012, eu-central-1');
    }
    expect(await made.records(release)).toEqual(records);
  }
});

test('a state directory that cannot be written is refused by name', async () => {
  const made = box();
  // /sys refuses even root.
  const { exitCode, stderr } = await made.drover('run', '--state', '/sys/drover');
  expect(exitCode, stderr).toBe(3);
  expect(stderr).toContain('/sys/drover');
});

test('an emergency without a reason is refused', async () => {
  const { exitCode, stderr } = await box().drover('run', '--emergency');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('--reason');
});

test('an override of a policy that does not exist, or that nobody may override, is refused', async () => {
  const made = box(quickConfig.replace('base }', `base, policies: ${policies} }`));
  const release = await scannedRelease(made);
  for (const policy of ['nope', 'boots', 'fresh-feed']) {
    const { exitCode, stderr } = await made.drover('scan', release, '--override', policy, '--reason', 'test');
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toContain('Only a soft-mandatory one can be accepted');
  }
  expect((await made.release(release)).overrides).toEqual([]);
});

test('an unknown command and an unknown option are refused with a pointer to the help', async () => {
  const made = box();
  for (const argv of [['frobnicate'], ['plan', '--frobnicate']]) {
    const { exitCode, stderr } = await made.drover(...argv);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/unknown (command|option)/);
  }
});

test('a release that does not exist is refused, saying which there are', async () => {
  const made = box();
  const release = await scannedRelease(made);
  const { exitCode, stderr } = await made.drover('status', 'r-nope');
  expect(exitCode).toBe(2);
  expect(stderr).toContain(release);
});

test('evidence with one byte changed, one file more, or one file less does not verify', async () => {
  const made = box();
  const release = await scannedRelease(made);
  const bundle = join(made.directory, 'bundle');
  expect((await made.drover('evidence', 'export', release, '--output', bundle)).exitCode).toBe(0);
  expect((await made.drover('evidence', 'verify', bundle)).exitCode).toBe(0);

  const journal = join(bundle, 'journal.jsonl');
  const sound = readFileSync(journal);
  appendFileSync(journal, '\n');
  expect(await made.drover('evidence', 'verify', bundle)).toMatchObject({
    exitCode: 8,
    stderr: expect.stringContaining('journal.jsonl'),
  });
  rmSync(journal);
  expect((await made.drover('evidence', 'verify', bundle)).exitCode).toBe(8);
  writeFileSync(journal, sound);

  mkdirSync(join(bundle, 'extra'));
  writeFileSync(join(bundle, 'extra', 'file'), '');
  expect((await made.drover('evidence', 'verify', bundle)).exitCode).toBe(8);
});

test('prune says what stays and why, and a disk that was pruned is not scanned', async () => {
  const made = box();
  const release = await scannedRelease(made);
  const text = await made.drover('prune', '--dry-run');
  expect(text.exitCode, text.stderr).toBe(0);
  expect(text.stdout).toBe('Would free 0 B; journals, scans and evidence stay.');
  const { stdout } = await made.drover('prune', '--json');
  expect(JSON.parse(stdout)).toEqual({
    dryRun: false,
    freedBytes: 0,
    removed: [],
    kept: [],
    unneededInCloud: [],
  });
  const journal = await openJournal({ directory: releaseDirectory(made.state, release), clock: wallClock });
  const gone = { path: 'image/base.qcow2', sha256: '0'.repeat(64), bytes: 1, actor: 'test' };
  await journal.append({ type: 'disk.pruned', data: gone });
  await journal.close();
  const { exitCode, stderr } = await made.drover('scan', release);
  expect(exitCode, stderr).toBe(2);
  expect(stderr).toMatch(/the disk of \S+ was pruned at .*\nNext: Build a new image: `drover run`/);
});
