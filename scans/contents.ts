/**
 * What an image may carry and weigh, by its role: packages, bytes, files that run with their owner's rights. Decides
 * what is over the budget; how the figures are taken is the caller's business.
 */
import { statfs } from 'node:fs/promises';
import { execa } from 'execa';
import { z } from 'zod';
import { parseYaml, readText } from '../pipeline/config/load.ts';
import { Refused } from '../pipeline/errors.ts';
import type { PackageChanges } from './changes.ts';
import { linesOf } from './text.ts';

export interface Contents {
  packages: number;
  /** Bytes in use on the image's file systems. */
  usedBytes: number;
  /** Set-user-ID and set-group-ID files, as absolute paths. */
  setuid: string[];
}

/** contents.json. */
export interface ContentsReport extends Contents {
  schema: 'drover/contents@1';
  budget: Budget;
  unexpectedSetuid: string[];
  /** Packages since the release before; null for the first of its line. */
  changes: PackageChanges | null;
}

const budgetSchema = z.strictObject({
  packages: z.int().positive(),
  /** Mebibytes in use on the image's file systems. */
  used_mib: z.int().positive(),
  setuid: z.array(z.string().startsWith('/')),
});
export type Budget = z.output<typeof budgetSchema>;

const fileSchema = z.strictObject({ version: z.literal(1), roles: z.record(z.string(), budgetSchema) });

/** @throws Refused('invalid') for a bad file, or one that says nothing about `role` */
export function readBudget(path: string, role: string): Budget {
  const { roles } = parseYaml(readText(path, 'Name a budget file with image.budget.'), path, fileSchema);
  const budget = roles[role];
  if (budget) return budget;
  throw new Refused(
    'invalid',
    `${path} has no budget for the role ${role}`,
    `Add one; there are ${Object.keys(roles).join(', ')}.`,
  );
}

/** Of an image whose file systems are mounted below `root`, each at its place. */
export async function measure(root: string, packages: number): Promise<Contents> {
  const { stdout: mounts } = await execa('findmnt', [
    '-rn',
    '-o',
    'TARGET',
    '--submounts',
    '--mountpoint',
    root,
  ]);
  const usage = await Promise.all(linesOf(mounts).map((point) => statfs(point)));
  const usedBytes = usage.reduce((sum, { bsize, blocks, bfree }) => sum + (blocks - bfree) * bsize, 0);
  const { stdout } = await execa('find', [root, '-type', 'f', '-perm', '/6000', '-printf', '/%P\n']);
  return { packages, usedBytes, setuid: linesOf(stdout).sort() };
}

export interface Excess {
  /** Mebibytes in use, rounded up, as the budget counts them. */
  usedMib: number;
  /** Set-ID files the budget does not name. */
  unexpectedSetuid: string[];
  /** One sentence for each figure over its budget. */
  over: string[];
}

export function excessOf({ packages, usedBytes, setuid }: Contents, budget: Budget): Excess {
  const usedMib = Math.ceil(usedBytes / 1024 ** 2);
  return {
    usedMib,
    unexpectedSetuid: setuid.filter((path) => !budget.setuid.includes(path)),
    over: [
      ...(packages > budget.packages ? [`${packages} packages, ${budget.packages} are budgeted`] : []),
      ...(usedMib > budget.used_mib ? [`${usedMib} MiB in use, ${budget.used_mib} are budgeted`] : []),
    ],
  };
}
