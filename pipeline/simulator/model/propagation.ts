/**
 * Eventual consistency: while a fault 'late-reads' is in force, reads do not know of what was created a moment ago.
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
 */
import { drawWithin } from './random.ts';
import { find } from './standing.ts';
import type { LaunchTemplate, World } from './state.ts';

/** Whether reads know what was created at `createdAt` under the name `what`. */
export function isKnown(world: World, what: string, createdAt: number): boolean {
  const late = find(world, ['late-reads']);
  if (!late || world.now >= createdAt + late.fault.delay.toMs) return true;
  return world.now >= createdAt + drawWithin(world, late.fault.delay, `${what} known`);
}

/** The template as reads know it: without its newest versions at first, and null before its first is known. */
export function knownTemplate(world: World, template: LaunchTemplate): LaunchTemplate | null {
  const known = Object.values(template.versions).filter(({ version, createdAt }) =>
    isKnown(world, `${template.id} ${version}`, createdAt),
  );
  if (known.length === Object.keys(template.versions).length) return template;
  if (known.length === 0) return null;
  return {
    ...template,
    latestVersion: Math.max(...known.map(({ version }) => version)),
    versions: Object.fromEntries(known.map((version) => [version.version, version])),
  };
}
