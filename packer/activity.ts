/**
 * Which of the thousand lines of a build a person wants to see while it runs. Pure. The log keeps all of them;
 * an error shows the last ones unfiltered. Judged by the text alone: Packer's versions differ in how they mark
 * what a script printed.
 */

/** Packer's announcements and our provisioners' that tell how far the build is. */
const telling = new RegExp(
  `^(${[
    'packages the profile asks for',
    '\\d+ upgraded, ',
    'Running aide',
    "Build '.*' (finished|errored)",
    '(E|Error): ',
    'Copying hard drive',
    'Starting VM',
    'Waiting for ',
    'Connected to SSH',
    'Gracefully halting',
    'Found Image ID',
    'Creating temporary',
    'Launching ',
    'Stopping ',
    'Terminating ',
    'Creating AMI',
    'AMI: ',
    'Adding tags',
    'Cleaning up',
    'Cancelling',
  ].join('|')})`,
);

/** A line that stays in the log of the release: what a provisioner has come to. */
export const isResult = (text: string): boolean => /^hardening: \d+ changes$/.test(text);

/** Every remediation is a line; most take milliseconds. */
const remediationStride = 10;

/** What to show of one line of Packer's, or undefined. */
export function activity(text: string): string | undefined {
  const script = /(?:Running local shell script|Provisioning with shell script): .*\/(\w+)\.sh$/.exec(
    text,
  )?.[1];
  if (script) return `provisioner: ${script}`;
  const remediation = /^Remediating rule (\d+)\/(\d+): '.*_rule_(.+)'$/.exec(text);
  if (remediation) {
    const [, number, total, rule] = remediation;
    const shown = number === '1' || number === total || Number(number) % remediationStride === 0;
    return shown ? `remediating rule ${number} of ${total}: ${rule}` : undefined;
  }
  const setUp = /^Setting up (\S+)/.exec(text)?.[1];
  if (setUp) return `setting up ${setUp}`;
  return telling.test(text) ? text : undefined;
}
