/**
 * A throwaway VM of an image: QEMU on a copy-on-write overlay, cut off from every network but one forwarded
 * SSH port on loopback. Decides how an image is booted and reached; never changes the image, and never leaves
 * QEMU running: not after success, not after an error, not after an abort.
 */
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { type Accelerator, cpuFor } from '../packer/accelerator.ts';
import type { Clock } from '../pipeline/clock.ts';
import { scanUser } from './seed.ts';
import { readTail } from './text.ts';

export interface VmOptions {
  /** The image, qcow2; opened read-only. */
  diskPath: string;
  /** Overlay and SSH control socket go here; must exist, and its path must be short enough for a socket. */
  directory: string;
  serialLogPath: string;
  seed: { path: string; keyPath: string };
  /** More read-only raw disks; the guest sees them, and the seed, as /dev/disk/by-id/virtio-<name>. */
  disks?: { name: string; path: string }[];
  /** More of QEMU's arguments: another network card. */
  devices?: string[];
  accelerator: Accelerator;
  memoryMb?: number;
  cpus?: number;
  /** A guest that has not answered by then is given up. Emulated on two busy cores, 200 s were seen. */
  sshDeadlineMs?: number;
  clock: Clock;
  signal?: AbortSignal | undefined;
  onProgress?: (text: string) => void;
}

export interface CommandResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface Vm {
  /** From power on to the first answered SSH command, milliseconds. */
  readonly sshAfterMs: number;
  /** Of 127.0.0.1, where its SSH answers to those that bring their own client. */
  readonly sshPort: number;
  /**
   * Runs a shell command as the seed's user and gives its result, whatever its exit code.
   * @throws Error when SSH itself fails or the command outlives `deadlineMs` (default 5 minutes)
   */
  run(command: string, options?: { deadlineMs?: number }): Promise<CommandResult>;
  /** Runs a shell command and gives its standard output as bytes. @throws Error unless it exits with 0 */
  read(command: string): Promise<Uint8Array>;
}

/** Boots the image, hands it to `work` once SSH answers, and stops it whatever happened. */
export async function withVm<T>(options: VmOptions, work: (vm: Vm) => Promise<T>): Promise<T> {
  try {
    return await withBoot(options, work);
  } catch (error) {
    if (!(error instanceof KernelPanic && options.accelerator === 'tcg' && error.isEmulators)) throw error;
    options.onProgress?.('the emulator failed the guest: booting it once more');
    return withBoot(options, work);
  }
}

/** Before SSH answered; nothing has worked on the machine yet. */
class KernelPanic extends Error {
  readonly isEmulators: boolean;
  constructor(console: string) {
    super(`the kernel panicked: ${/Kernel panic - .*/.exec(console)?.[0]}`);
    // The kernel changes instructions while it runs, and QEMU before 8.1 lets another processor of the guest see that
    // half done, once in hundreds of boots: https://bugzilla.redhat.com/show_bug.cgi?id=2216496
    this.isEmulators = /\bint3: 0000 \[#1\]/.test(console);
  }
}

async function withBoot<T>(options: VmOptions, work: (vm: Vm) => Promise<T>): Promise<T> {
  const { clock } = options;
  options.signal?.throwIfAborted();
  const overlay = join(options.directory, 'overlay.qcow2');
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', options.diskPath, '-F', 'qcow2', overlay]);
  // What an earlier boot said is not said of this one.
  await rm(options.serialLogPath, { force: true });
  const port = await freePort();
  const stopping = new AbortController();
  // Whatever ends the VM ends everything that waits for it.
  const signal = options.signal ? AbortSignal.any([options.signal, stopping.signal]) : stopping.signal;
  const poweredOn = clock.now();
  const qemu = execa('qemu-system-x86_64', qemuArguments(options, overlay, port), {
    stdin: 'ignore',
    reject: false,
    cancelSignal: signal,
    // The overlay is thrown away: there is nothing a slower shutdown would save.
    forceKillAfterDelay: 5_000,
  });
  const ssh = sshOf({ ...options, signal }, port);
  const ended = qemu.then((result) => {
    throw new Error(`QEMU ended before SSH answered: ${result.stderr || result.message || 'no message'}`);
  });
  const answered = waitForSsh({ ...options, signal }, ssh, poweredOn);
  try {
    await Promise.race([answered, ended]);
    return await work({ run: ssh.run, read: ssh.read, sshAfterMs: clock.now() - poweredOn, sshPort: port });
  } finally {
    await ssh.disconnect();
    stopping.abort(new Error('the VM was stopped'));
    await Promise.allSettled([answered, ended]);
  }
}

function qemuArguments(options: VmOptions, overlay: string, port: number): string[] {
  const { accelerator, memoryMb = 1536, cpus = 2, seed, disks = [], devices = [], serialLogPath } = options;
  const acceleration = accelerator === 'tcg' ? 'tcg,thread=multi' : accelerator;
  return [
    ...['-machine', 'q35', '-accel', acceleration, '-cpu', cpuFor(accelerator)],
    ...['-m', String(memoryMb), '-smp', String(cpus)],
    ...['-display', 'none', '-monitor', 'none', '-serial', `file:${serialLogPath}`, '-no-reboot'],
    ...['-drive', `file=${escapeComma(overlay)},if=none,id=system,format=qcow2,cache=unsafe`],
    // Without bootindex the firmware may take one of the other disks for the system.
    ...['-device', 'virtio-blk-pci,drive=system,bootindex=0'],
    ...[{ name: 'seed', path: seed.path }, ...disks].flatMap(({ name, path }) => [
      ...['-drive', `file=${escapeComma(path)},if=none,id=${name},format=raw,readonly=on`],
      ...['-device', `virtio-blk-pci,drive=${name},serial=${name}`],
    ]),
    // Without entropy the guest's first host keys take minutes.
    ...['-device', 'virtio-rng-pci'],
    // restrict: the guest reaches nothing, not even this machine; the forwarded port still reaches the guest.
    ...['-nic', `user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ...devices,
  ];
}

const escapeComma = (path: string): string => path.replaceAll(',', ',,');

interface Ssh extends Pick<Vm, 'run' | 'read'> {
  /** Opens the connection all commands share: under emulation each key exchange takes seconds. */
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

function sshOf(options: VmOptions, port: number): Ssh {
  const { seed, directory, signal } = options;
  const settings = {
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    // The guest made its host key a moment ago, on loopback: there is nobody to know it.
    StrictHostKeyChecking: 'no',
    UserKnownHostsFile: '/dev/null',
    LogLevel: 'ERROR',
    // QEMU accepts the connection long before the guest does: a short wait for the banner, and again.
    ConnectTimeout: '8',
    ServerAliveInterval: '15',
    ServerAliveCountMax: '8',
    ControlPath: join(directory, 'ssh'),
  };
  const prefix = [
    ...['-F', '/dev/null', '-i', seed.keyPath, '-p', String(port)],
    ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
  const destination = `${scanUser}@127.0.0.1`;
  const common = { stdin: 'ignore', ...(signal && { cancelSignal: signal }) } as const;
  return {
    async connect() {
      // -f returns once the key was accepted; the connection stays behind, on files, not on our pipes.
      const complaints = { file: join(directory, 'ssh.log') };
      await execa('ssh', [...prefix, '-fNM', destination], {
        ...common,
        stdout: 'ignore',
        stderr: complaints,
        timeout: 60_000,
      });
    },
    async disconnect() {
      await execa('ssh', [...prefix, '-O', 'exit', destination], { stdin: 'ignore', reject: false });
    },
    async run(command, { deadlineMs = 300_000 } = {}) {
      const result = await execa('ssh', [...prefix, destination, command], {
        ...common,
        reject: false,
        timeout: deadlineMs,
      });
      signal?.throwIfAborted();
      if (result.timedOut) throw new Error(`no answer from the VM within ${deadlineMs / 1000} s: ${command}`);
      // 255 is ssh's own failure (ssh(1), EXIT STATUS).
      if (result.exitCode === undefined || result.exitCode === 255) {
        throw new Error(`SSH to the VM failed: ${result.stderr || result.message || 'no message'}`);
      }
      return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
    },
    async read(command) {
      const { stdout } = await execa('ssh', [...prefix, destination, command], {
        ...common,
        encoding: 'buffer',
        timeout: 300_000,
      });
      return stdout;
    },
  };
}

async function waitForSsh(options: VmOptions, ssh: Ssh, poweredOn: number): Promise<void> {
  const { clock, signal, sshDeadlineMs = 600_000, serialLogPath, onProgress = () => {} } = options;
  const deadline = poweredOn + sshDeadlineMs;
  while (clock.now() < deadline) {
    try {
      await ssh.connect();
      const { exitCode } = await ssh.run('true', { deadlineMs: 60_000 });
      if (exitCode === 0) return;
    } catch {
      // Nobody listens yet, or the user is not there yet: both are what waiting is for.
      signal?.throwIfAborted();
    }
    const said = await readFile(serialLogPath, 'utf8').catch(() => '');
    if (said.includes('Kernel panic - ')) throw new KernelPanic(said);
    onProgress(
      `booting for ${Math.round((clock.now() - poweredOn) / 1000)} s: ${await readTail(serialLogPath)}`,
    );
    await clock.sleep(1_000, signal);
  }
  const [last, console] = await Promise.all([
    readTail(join(options.directory, 'ssh.log')),
    readTail(serialLogPath),
  ]);
  throw new Error(`no SSH answer within ${sshDeadlineMs / 1000} s (ssh: ${last}; console: ${console})`);
}

/** A loopback port nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('no free port')),
      );
    });
  });
}
