/**
 * The shapes of journal records as a reader must find them, so that a damaged or foreign line is refused with
 * the name of what is wrong instead of surfacing later as a crash. records.ts is the contract; this mirrors it
 * for reading, and the compiler holds the two together. Unknown keys inside `data` are allowed: fields may be
 * added. Unknown record types are not: a reader that skips a record may miss the one that matters.
 */
import { z } from 'zod';
import { distributions } from '../image.ts';
import type { EntryOf, EntryType } from './records.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256');
const time = z.iso.datetime({ offset: false });
const json = z.record(z.string(), z.json());
const stage = z.enum(['resolve', 'build', 'scan', 'bake', 'rollout', 'evidence']);
const text = z.string();
const count = z.int().min(0);
const names = z.array(text);
const textMap = z.record(text, text);

const artifact = z.looseObject({ name: text, path: text, sha256: digest, bytes: count });

const baseline = z.looseObject({
  group: text,
  desired: count,
  min: count,
  max: count,
  templateId: text,
  templateName: text,
  templateVersion: text,
  resolvedVersion: z.int(),
  imageId: text.nullable(),
  suspendedProcesses: names,
  instances: z.array(
    z.looseObject({
      id: text,
      version: z.int().nullable(),
      zone: text,
      lifecycle: text,
      healthy: z.boolean(),
    }),
  ),
});

const image = z.looseObject({
  schema: z.literal('drover/image@1'),
  id: text,
  name: text,
  distribution: z.enum(distributions),
  role: text,
  architecture: z.literal('x86_64'),
  release: text,
  builtAt: text,
  builder: z.enum(['qemu', 'chroot', 'amazon-ebs']),
  disk: artifact.extend({ format: z.literal('qcow2') }).nullable(),
  lineage: z.looseObject({
    base: z.looseObject({ id: text, description: text, inputs: textMap }),
    provisioners: text,
    hardening: z.looseObject({
      content: z.looseObject({ package: text, version: text, file: text, sha256: text }),
      profile: text,
      tailoring: text,
    }),
    tools: textMap,
    source: z.looseObject({ commit: text.nullable(), dirty: z.boolean() }),
  }),
});

const data = {
  'release.opened': z.looseObject({
    release: text,
    droverVersion: text,
    actor: text,
    reason: text,
    emergency: z.boolean(),
    cloud: z.looseObject({
      provider: text,
      region: text,
      endpoint: text.nullable(),
      account: text.optional(),
    }),
    recovery: z.looseObject({ group: text, of: text }).optional(),
    config: json,
    configSha256: digest,
  }),
  'release.resumed': z.looseObject({ actor: text, reason: text }),
  'release.interrupted': z.looseObject({ signal: text, stage: stage.nullable() }),
  'stage.started': z.looseObject({ stage }),
  'stage.finished': z.looseObject({
    stage,
    outcome: z.enum(['passed', 'failed']),
    durationMs: z.number().min(0),
    summary: text,
    artifacts: z.array(artifact),
  }),
  'image.built': image,
  'disk.pruned': z.looseObject({ path: text, sha256: digest, bytes: count, actor: text }),
  verdict: z.looseObject({
    imageId: text,
    check: text,
    status: z.enum(['passed', 'failed']),
    reasons: names,
    facts: z.record(text, z.union([text, z.number(), z.boolean(), z.null()])),
    artifacts: z.array(artifact),
    at: text,
  }),
  override: z.looseObject({ check: text, imageId: text, actor: text, reason: text }),
  'wave.started': z.looseObject({ environment: text, wave: text, groups: names, imageId: text }),
  'wave.finished': z.looseObject({
    environment: text,
    wave: text,
    outcome: z.enum(['promoted', 'failed']),
    reason: text,
  }),
  'group.baseline': baseline,
  'group.finished': z.looseObject({
    group: text,
    outcome: z.enum(['promoted', 'rolled-back', 'unchanged', 'stuck']),
    reason: text,
    after: baseline.nullable(),
  }),
  intent: z.looseObject({ key: text, group: text, action: text, arguments: json, why: text }),
  outcome: z.looseObject({
    key: text,
    status: z.enum(['done', 'failed', 'unknown']),
    result: json.nullable(),
    error: text.nullable(),
  }),
  answer: z.looseObject({
    group: text,
    instance: text,
    source: text,
    status: z.enum(['passed', 'waiting', 'failed']),
    reason: text,
  }),
  progress: z.looseObject({
    group: text,
    target: count,
    previous: count,
    healthy: count,
    total: count,
    desired: count,
  }),
  'rollback.started': z.looseObject({ groups: names, reason: text, actor: text }),
  'rollback.finished': z.looseObject({ outcome: z.enum(['rolled-back', 'stuck']), reason: text }),
  'release.closed': z.looseObject({
    outcome: z.enum(['promoted', 'failed', 'rolled-back', 'stuck']),
    reason: text,
  }),
} satisfies { [T in EntryType]: z.ZodType<EntryOf<T>['data']> };

const envelope = z.strictObject({
  type: text,
  data: z.looseObject({}),
  seq: count,
  at: time,
  previous: digest,
});

/** Null when `value` is a record of a known type and shape, otherwise one clause saying what is wrong. */
export function describeShapeProblem(value: unknown): string | null {
  const outer = envelope.safeParse(value);
  if (!outer.success) return `not a journal record (${firstIssue(outer.error)})`;
  const { type } = outer.data;
  if (!Object.hasOwn(data, type)) {
    return `unknown record type '${type}': written by a newer Drover, or not by Drover`;
  }
  const inner = data[type as EntryType].safeParse(outer.data.data);
  return inner.success ? null : `a damaged '${type}' record (${firstIssue(inner.error)})`;
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'unreadable';
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message;
}
