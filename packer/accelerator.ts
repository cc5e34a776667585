/**
 * Can this machine virtualize? Decided by running a guest, because a device node proves nothing: there are hosts
 * with a /dev/kvm under which firmware still runs and an ordinary kernel does not.
 */
import { execa } from 'execa';

export type Accelerator = 'kvm' | 'hvf' | 'tcg';

/** The processor to give a guest: all the host has, or all QEMU can emulate. */
export const cpuFor = (accelerator: Accelerator): string => (accelerator === 'tcg' ? 'max' : 'host');

/** Under real virtualization a kernel gets this far in two seconds; one that hangs never does. */
const probeTimeoutMs = 20_000;

/** A kernel without a root file system says this when everything else of its start has worked. */
const reached = 'Unable to mount root fs';

/**
 * The accelerator under which a guest really runs; 'tcg' (software emulation) when none does.
 * @param kernel an x86-64 Linux kernel, such as the base disk's
 */
export async function probeAccelerator(kernel: string, signal?: AbortSignal): Promise<Accelerator> {
  const candidate = process.platform === 'darwin' ? 'hvf' : process.platform === 'linux' ? 'kvm' : undefined;
  if (!candidate || process.arch !== 'x64') return 'tcg';
  return (await runsUnder(candidate, kernel, signal)) ? candidate : 'tcg';
}

export async function runsUnder(
  accelerator: Accelerator,
  kernel: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const guest = execa(
    'qemu-system-x86_64',
    [
      ...['-accel', accelerator, '-cpu', cpuFor(accelerator), '-m', '256'],
      ...['-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
      ...['-kernel', kernel, '-append', 'console=ttyS0 panic=-1'],
    ],
    {
      reject: false,
      stdin: 'ignore',
      timeout: probeTimeoutMs,
      forceKillAfterDelay: 1_000,
      ...(signal && { cancelSignal: signal }),
    },
  );
  const { stdout } = await guest;
  signal?.throwIfAborted();
  return (stdout ?? '').includes(reached);
}
