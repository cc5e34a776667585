import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { withVm } from '../../scans/vm.ts';

/** What QEMU 7.2 under software emulation left of a guest in 2026. */
const emulatorFault = `[   28.812268] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
[   28.812810] RIP: 0010:free_unref_page+0x88/0x550
[   28.816860] Kernel panic - not syncing: Fatal exception in interrupt
`;

describe('a machine whose kernel panics', () => {
  let directory: string;
  let path: string | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
    path = process.env.PATH;
    mkdirSync(join(directory, 'bin'));
    process.env.PATH = `${join(directory, 'bin')}:${path}`;
    program('qemu-img', '');
    // A machine that answers has not panicked.
    program('ssh', `[ -s ${directory}/console.log ] && ! grep -q panic ${directory}/console.log`);
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  });
  function program(name: string, script: string): void {
    writeFileSync(join(directory, 'bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, 'bin', name), 0o755);
  }
  /** @param consoles what the machine writes at each of its boots */
  function boots(...consoles: string[]): void {
    consoles.forEach((text, index) => {
      writeFileSync(join(directory, `console-${index + 1}`), text);
    });
    program(
      'qemu-system-x86_64',
      `cd ${directory}; echo >>boots; cat console-$(wc -l <boots) >console.log; exec sleep 60`,
    );
  }
  const boot = (accelerator: 'kvm' | 'tcg') =>
    withVm(
      {
        diskPath: join(directory, 'disk'),
        directory,
        serialLogPath: join(directory, 'console.log'),
        seed: { path: join(directory, 'seed'), keyPath: join(directory, 'key') },
        accelerator,
        clock: wallClock,
      },
      async () => 'worked',
    );
  const count = () => readFileSync(join(directory, 'boots'), 'utf8').length;

  test('is given up at once, with what its console said last', async () => {
    boots('Kernel panic - not syncing: VFS: Unable to mount root fs\n');
    await expect(boot('tcg')).rejects.toThrow('Unable to mount root fs');
    expect(count()).toBe(1);
  });
  test('is booted once more when it was the emulator that failed it', async () => {
    boots(emulatorFault, 'Welcome\n');
    expect(await boot('tcg')).toBe('worked');
    expect(count()).toBe(2);
  });
  test('is booted once more only once', async () => {
    boots(emulatorFault, emulatorFault);
    await expect(boot('tcg')).rejects.toThrow('Fatal exception in interrupt');
    expect(count()).toBe(2);
  });
  test('of the same fault is not excused by an emulator that there is not', async () => {
    boots(emulatorFault, 'Welcome\n');
    await expect(boot('kvm')).rejects.toThrow('Fatal exception in interrupt');
    expect(existsSync(join(directory, 'boots')) && count()).toBe(1);
  });
});
