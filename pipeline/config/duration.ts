/** How drover.yaml writes time: '90s', '5m', '1h30m'. */
import { z } from 'zod';

const durationPattern = /^(?=.)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/;

export function parseDurationMs(text: string): number | null {
  const match = durationPattern.exec(text);
  if (!match) return null;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return Math.round((Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000);
}

/** Of a text the schema has let pass: anything else here is a bug. */
export function durationMs(text: string): number {
  const milliseconds = parseDurationMs(text);
  if (milliseconds === null) throw new TypeError(`not a duration: '${text}'`);
  return milliseconds;
}

export const duration = z
  .string()
  .regex(durationPattern, "write a duration as '90s', '5m' or '1h30m'")
  .meta({ description: 'Duration, e.g. 90s, 5m, 1h30m' });
