#!/usr/bin/env node
/**
 * argv → command. The composition root: it says which commands there are, hands each to its function in cli/,
 * and turns whatever is thrown into one clear message and an exit code. It decides nothing about images or fleets.
 */
import { Command, CommanderError, Option } from 'commander';
import { doctor } from './cli/doctor.ts';
import { evidenceExport, evidenceVerify } from './cli/evidence.ts';
import { report } from './cli/failure.ts';
import { hardenDiff } from './cli/harden.ts';
import { plan } from './cli/plan.ts';
import { policyTest } from './cli/policy.ts';
import { prune } from './cli/prune.ts';
import { recover } from './cli/recover.ts';
import { rehearsal } from './cli/rehearse.ts';
import { resume, rollback, run, stage } from './cli/release.ts';
import { openSession, type Session } from './cli/session.ts';
import { simulatorHelp, simulatorStart } from './cli/simulator.ts';
import { status } from './cli/status.ts';
import { exitCodes, Refused } from './errors.ts';
import { droverVersion } from './version.ts';

const program = new Command('drover')
  .description('Rebuild machine images, prove them, and roll whole fleets onto them. With evidence.')
  .version(droverVersion)
  .option('--config <file>', 'configuration', 'drover.yaml')
  .option('--state <directory>', 'where releases are kept (default: $XDG_STATE_HOME/drover)')
  .option('--json', 'print facts as JSON on standard output; progress goes to standard error')
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(`drover --help` lists the commands)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Exit codes: 0 done, 2 bad input, 3 something missing, 4 held by another release, 5 a check said no
before any group was touched, 6 rolled back, 7 needs a person, 8 does not verify, 130 stopped by hand, 1 a bug.`,
  );

/** Of the command that runs; a process runs one. */
let session: Session | undefined;

/** Registers a command whose work starts once the session is open. */
function command<A extends unknown[]>(
  parent: Command,
  usage: string,
  description: string,
  work: (session: Session, ...given: A) => Promise<void>,
): Command {
  return parent
    .command(usage)
    .description(description)
    .exitOverride()
    .action(async (...given: unknown[]) => {
      const self = given.at(-1) as Command;
      session = openSession(self.optsWithGlobals());
      await work(session, ...(given.slice(0, -1) as A));
      if (session.options.json) console.log(JSON.stringify(session.facts, null, 2));
    });
}

const reason = () => new Option('--reason <text>', 'why; kept in the record');
const emergency = () =>
  new Option('--emergency', "shorter soaks, larger surge: the configuration's emergency section").default(
    false,
  );
const image = () => new Option('--image <id>', 'the image to roll to (default: one that is not built yet)');
const repeated = (value: string, earlier: string[]): string[] => [...earlier, value];
const fault = () => new Option('--fault <kind>', 'simulator only: what goes wrong').choices(['unhealthy']);
const release = ['[release]', 'id, the end of one, or latest', 'latest'] as const;

command(program, 'doctor', 'check the tools on this machine', doctor).option(
  '--install',
  'install what is missing (Debian and Ubuntu, as root)',
);
command(program, 'plan', 'say what a rollout would do to each group; changes nothing', plan)
  .addOption(image())
  .addOption(emergency());
command(program, 'rehearse', 'run the rollout on a simulated copy of the fleet; changes nothing', rehearsal)
  .addOption(image())
  .addOption(emergency())
  .option('--fault <fault>', 'what goes wrong: a kind, or a fault as JSON; may be repeated', repeated, [])
  .option('--boot <duration>', 'a launch until in service, instead of what was measured')
  .option('--warm-up <duration>', 'from there until its gates can pass')
  .option('--drain <duration>', 'a drain');
command(program, 'run', 'the whole job: build, scan, bake, roll out, export evidence', run)
  .addOption(emergency())
  .addOption(reason())
  .addOption(fault());
command(program, 'resume', 'go on with a release that was killed or stopped', resume)
  .argument(...release)
  .addOption(reason());
command(program, 'rollback', 'put every group of a release back', rollback)
  .argument(...release)
  .addOption(reason().makeOptionMandatory());
command(program, 'recover', 'put a group back from its marks alone, when the journal is lost', recover)
  .argument('<group>', 'the Auto Scaling group')
  .option('--dry-run', 'only say what would be done')
  .addOption(reason());
command(program, 'status', 'where a release stands', status)
  .argument(...release)
  .option('--all', 'list all releases');

command(
  program,
  'build',
  'open a release and build its image',
  (session, options: { emergency: boolean; reason?: string }) =>
    run(session, { ...options, through: 'build' }),
)
  .option('--emergency', 'open it as an emergency', false)
  .addOption(reason());
for (const [name, description] of [
  ['scan', 'boot and audit the image of a release'],
  ['bake', 'roll staging onto the image and soak it'],
  ['rollout', 'roll production onto the image, wave by wave'],
] as const) {
  const one = command(program, name, description, stage(name))
    .argument(...release)
    .addOption(reason());
  if (name === 'scan') {
    one.option('--override <policy>', 'accept the failure of a soft-mandatory policy, with --reason');
  } else {
    one.addOption(fault());
  }
}

command(program, 'prune', 'delete the disks of images that no group needs any more', prune)
  .option('--dry-run', 'only say what would be deleted')
  .addHelpText(
    'after',
    `
Kept always: journals, scans and evidence; the disk of the newest image, of every image a group runs or had
before it, and of every release that is not over. AMIs are named and never touched.`,
  );

const harden = program.command('harden').description('hardening profiles');
command(harden, 'diff', 'what two profiles, or two versions of the content, ask differently', hardenDiff)
  .argument('<one>', 'FILE, FILE@CONTENT-VERSION or FILE#PROFILE')
  .argument('<two>', 'the same')
  .option('--role <name>', 'as which role of theirs', 'base');

const evidence = program
  .command('evidence')
  .description('export a release for an auditor, or verify an export');
command(evidence, 'export', 'write the signed bundle of a release', evidenceExport)
  .argument(...release)
  .option('--output <directory>', 'where (default: in the state directory)');
command(evidence, 'verify', 'recompute everything in a bundle, offline', evidenceVerify)
  .argument('[bundle]', 'its directory, or a release', 'latest')
  .option('--key <file>', 'the public key you trust (PEM); without it the bundle vouches for itself');

const policy = program.command('policy').description('what an image must satisfy');
command(policy, 'test', 'try every policy on its own examples', policyTest).argument(
  '[file]',
  'policy file (default: image.policies of drover.yaml)',
);

const simulator = program.command('simulator').description('the simulated AWS, by itself');
command(simulator, 'start', 'serve it on loopback until stopped, for any AWS client', simulatorStart)
  .option('--port <number>', 'port (default: any free one)')
  .option('--fault <fault>', 'what goes wrong (repeatable); see below', repeated, [])
  .addHelpText('after', simulatorHelp);

try {
  await program.parseAsync();
  // Keep-alive sockets must not hold a finished command.
  process.exit(exitCodes.ok);
} catch (error) {
  if (error instanceof CommanderError && error.exitCode === 0) process.exit(exitCodes.ok);
  const misused = error instanceof CommanderError;
  // Commander has already told a person.
  if (misused && !process.argv.includes('--json')) process.exit(exitCodes.invalid);
  const refusal = misused && new Refused('invalid', error.message, '`drover --help` lists the commands.');
  process.exit(report(refusal || error, process.argv.includes('--json'), session?.facts));
}
