/** Ids and serials. Both come from the world's one counter, so the same history gives the same ids. */
import { createHash } from 'node:crypto';
import type { World } from './state.ts';

export function nextSerial(world: World): number {
  world.serial += 1;
  return world.serial;
}

const digest = (world: World): string =>
  createHash('sha256')
    .update(`${world.accountId}/${world.region}/${nextSerial(world)}`)
    .digest('hex');

/** An EC2 resource id: prefix, '-', 17 hex digits ('i-0b1…'). */
export const newId = (world: World, prefix: string): string => `${prefix}-0${digest(world).slice(0, 16)}`;

/** The form of Auto Scaling's activity ids and of request ids. */
export function newUuid(world: World): string {
  const hex = digest(world);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

/** Hex digits as they end a load balancing ARN. */
export const newSuffix = (world: World): string => digest(world).slice(0, 16);
