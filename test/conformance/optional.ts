/**
 * Conformance with programs that may be missing. A test that cannot run says so in its title; where
 * DROVER_REQUIRE_CONFORMANCE names the program (or is 1, for all), its absence is a failure instead.
 */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

export interface Program {
  name: string;
  command: string;
  /** Arguments that make it answer and exit with 0. */
  probe: string[];
  /** How a person gets it. */
  remedy: string;
}

/** True when the program answers; otherwise registers a test that says what is missing. */
export function available({ name, command, probe, remedy }: Program): boolean {
  const { error, status } = spawnSync(command, probe, { stdio: 'ignore' });
  if (!error && status === 0) return true;
  const required = (process.env.DROVER_REQUIRE_CONFORMANCE ?? '').split(',');
  if (required.includes('1') || required.includes(name)) {
    test(`${name} is there to be run against the simulator`, () => {
      expect.fail(`DROVER_REQUIRE_CONFORMANCE asks for ${name}, but '${command}' does not run: ${remedy}`);
    });
  } else {
    console.warn(`skipped: conformance with ${name}, because '${command}' does not run. ${remedy}`);
    test.skip(`${name} is missing: ${remedy}`, () => {});
  }
  return false;
}
