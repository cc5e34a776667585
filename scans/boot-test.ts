/**
 * The boot test: the image, started as a machine nobody has touched, lets a new user in with a key, reaches its
 * target with no failed unit, and finishes cloud-init. Decides whether the boot was good; how it is booted is
 * vm.ts's business.
 */
import type { Vm } from './vm.ts';

export interface BootObservation {
  /** Power on to the first answered SSH command, milliseconds; null where somebody else powered it on. */
  sshAfterMs: number | null;
  /** The user the key let in. */
  userId: number;
  kernel: string;
  /** `systemctl is-system-running`: running, degraded, … (systemctl(1)). */
  systemState: string;
  /** `cloud-init status`: done, error, …; with its detail. */
  cloudInit: { status: string; detail: string };
  /** Units that failed, or that fail and are started again and again. */
  failedUnits: string[];
  /** The journal's last lines about each of them. */
  journal: Record<string, string>;
}

/** Waits until the boot has settled, then looks. @throws Error when the VM does not answer */
export async function observeBoot(vm: Vm): Promise<BootObservation> {
  const output = async (command: string) => (await vm.run(command)).stdout.trim();
  const systemState = await output('sudo -n systemctl is-system-running --wait');
  const status = parseCloudInit(await output('sudo -n cloud-init status --wait --long'));
  const failed = unitNames(
    await output('systemctl list-units --all --state=failed --plain --no-legend --full'),
  );
  const restarting = unitNames(
    await output('systemctl list-units --all --state=auto-restart --plain --no-legend --full'),
  );
  const failedUnits = [...new Set([...failed, ...restarting])].sort();
  const journal: Record<string, string> = {};
  for (const unit of failedUnits) {
    journal[unit] = await output(`sudo -n journalctl -b --no-pager -o cat -n 20 -u '${unit}'`);
  }
  return {
    sshAfterMs: vm.sshAfterMs,
    userId: Number(await output('id -u')),
    kernel: await output('uname -r'),
    systemState,
    cloudInit: status,
    failedUnits,
    journal,
  };
}

/** Why this boot is not good enough; empty when it is. */
export function faultsOfBoot(boot: BootObservation): string[] {
  const faults: string[] = [];
  if (!(boot.userId > 0)) faults.push('the key did not let in a user other than root');
  if (boot.systemState !== 'running')
    faults.push(`systemd says the system is ${boot.systemState || 'unknown'}`);
  for (const unit of boot.failedUnits) faults.push(`the unit ${unit} failed`);
  if (boot.cloudInit.status !== 'done') {
    const { status, detail } = boot.cloudInit;
    faults.push(`cloud-init ended with ${status}${detail ? `: ${detail.slice(0, 200)}` : ''}`);
  }
  return faults;
}

/** `cloud-init status --long`: lines "key: value", the last of which may go on. */
export function parseCloudInit(text: string): BootObservation['cloudInit'] {
  return {
    status: /^status: *(.+)$/m.exec(text)?.[1]?.trim() ?? 'unknown',
    detail: /^detail: *\n?([\s\S]*)$/m.exec(text)?.[1]?.trim() ?? '',
  };
}

/** First words of `systemctl list-units --plain`, if they are unit names and not a complaint. */
export const unitNames = (text: string): string[] =>
  [...text.matchAll(/^([\w@:\\.-]+\.[a-z]+)\s/gm)].map(([, unit]) => unit!);
