/** What the engine hands a drain, when the instances of the group are real servers on loopback. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wallClock } from '../../pipeline/clock.ts';
import type { Cloud } from '../../pipeline/cloud/cloud.ts';
import type { DrainContext } from '../../pipeline/rollout/drains/drains.ts';
import { runCommand } from '../../pipeline/rollout/services/command.ts';
import { httpRequest } from '../../pipeline/rollout/services/http.ts';
import { group, instance } from '../rollout/group.ts';
import type { Servers } from './servers.ts';

/** Server `number` is the instance i-NUMBER; `numbers` are those the group has. */
export const contextOf = (
  { addressOf }: Pick<Servers, 'addressOf'>,
  numbers: readonly number[],
): DrainContext => ({
  cloud: {} as Cloud,
  clock: wallClock,
  http: httpRequest,
  runCommand,
  release: 'r-1',
  group: group(
    numbers.map((number) =>
      instance(`i-${number}`, { privateAddress: addressOf(number), lifecycle: 'InService' }),
    ),
  ),
  signal: new AbortController().signal,
});

/** @returns the path of a file that holds the token, for `token_file` */
export function tokenFile({ directory }: Pick<Servers, 'directory'>, token: string): string {
  const path = join(directory, 'token');
  writeFileSync(path, token);
  return path;
}
