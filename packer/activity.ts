/**
 * Which of the thousand lines of a build a person wants to see while it runs. Pure. The log keeps all of them;
 * an error shows the last ones unfiltered.
 */

/** Of Packer's own announcements, those that say nothing about the build. */
const packersNoise =
  /^(==>|-->|Did not export|Warning: A checksum|a checksum is highly|on \/|\(source code not|Wait completed|Provisioning step had errors|Trying |Retrieving ISO)/;

/** Every remediation is one line; most take milliseconds. */
const remediationStride = 10;

/**
 * @param kind Packer's: 'say' for its own announcements; 'message' and 'error' for a script's output and error
 *   output, the latter of which means nothing bad by itself
 * @returns what to show, or undefined
 */
export function activity(kind: string, text: string): string | undefined {
  const script = /(?:Running local shell script|Provisioning with shell script): .*\/(\w+)\.sh$/.exec(
    text,
  )?.[1];
  if (script) return `provisioner: ${script}`;
  if (/packer-shell\d+$/.test(text)) return undefined;
  if (kind === 'say') return packersNoise.test(text) ? undefined : text;

  const remediation = /^Remediating rule (\d+)\/(\d+): '.*_rule_(.+)'$/.exec(text);
  if (remediation) {
    const [, number, total, rule] = remediation;
    const shown = number === '1' || number === total || Number(number) % remediationStride === 0;
    return shown ? `remediating rule ${number} of ${total}: ${rule}` : undefined;
  }
  const setUp = /^Setting up (\S+)/.exec(text)?.[1];
  if (setUp) return `setting up ${setUp}`;
  return /^(audit: |packages the profile asks for|\d+ upgraded, |E: |Build '.*' errored|Running aide|Found Image ID|Launching|Waiting for|AMI: )/.test(
    text,
  )
    ? text
    : undefined;
}
