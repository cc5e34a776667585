/**
 * What can go wrong, as data: the one vocabulary of faults that the command line, the control endpoint, tests and
 * rehearsals use. A fault says what happens, to whom, from when on and for how long; nothing in here behaves.
 * Durations end in Ms; `operation` is 'service:Operation' with '*' for any text ('ec2:Describe*').
 */
import { z } from 'zod';
import { Refused } from '../../errors.ts';

const duration = z.number().int().min(0);
const size = z.number().int().min(0);
const count = z.number().int().min(1);
const share = z.number().min(0).max(1);

/** A duration drawn evenly between two bounds, anew for each instance, from the world's seed. */
const spread = z
  .strictObject({ fromMs: duration, toMs: duration })
  .refine(({ fromMs, toMs }) => fromMs <= toMs, 'fromMs must not be greater than toMs');

/**
 * When a fault comes into force: at a time, after a delay, when so many calls have come (the last of them is hit
 * already), or when so many events of a kind have happened. Left out: at once.
 */
const when = z.union([
  z.strictObject({ atMs: duration }),
  z.strictObject({ afterMs: duration }),
  z.strictObject({ calls: count, operation: z.string().default('*') }),
  z.strictObject({ events: count, event: z.string().default('*') }),
]);

/** In every fault; `forMs`: how long it stays in force, left out: until it is taken back. */
const always = { when: when.optional(), forMs: duration.optional() };

/** Which instances: all conditions hold. `environment` is the group's tag of that name. */
const whom = {
  group: z.string().optional(),
  environment: z.string().optional(),
  zone: z.string().optional(),
};

// How the software of instances behaves. Times count from the instance's state 'running'.

/** Works for `failsAfterMs`, then no more; 0: never. */
const unhealthy = z.strictObject({ kind: z.literal('unhealthy'), failsAfterMs: duration.default(0) });
/** Runs, but no check ever passes. */
const neverBoots = z.strictObject({ kind: z.literal('never-boots') });
/** Works later than others. */
const bootsSlowly = z.strictObject({ kind: z.literal('boots-slowly'), ready: spread });
/** Works until it has no memory left, each instance for a time of its own. */
const leaks = z.strictObject({ kind: z.literal('leaks'), fails: spread });
/** Passes its health checks, but answers this share of the requests with an error. */
const servesErrors = z.strictObject({ kind: z.literal('serves-errors'), rate: share });

export const behaviourSchema = z.discriminatedUnion('kind', [
  unhealthy,
  neverBoots,
  bootsSlowly,
  leaks,
  servesErrors,
]);

/** 'new' waits for the next image that is registered or created, and then stays with that one. */
const imageId = z.union([
  z.enum(['new', 'any']),
  z.string().regex(/^ami-[0-9a-f]+$/, 'an image id, new or any'),
]);

/** Instances launched while it is in force behave so, and stay so. The first that matches applies. */
const launched = { ...always, ...whom, imageId: imageId.default('new') };

/** Calls of `operation`, each with probability `rate`, at most `count` of them. */
const calls = {
  ...always,
  operation: z.string().default('*'),
  rate: share.default(1),
  count: count.optional(),
};

/** So many of the instances that match; if there are fewer, it waits for the next. */
const chosen = { ...always, ...whom, imageId: imageId.default('any'), count: count.default(1) };

const day = 24 * 3_600_000;

export const faultSchema = z.discriminatedUnion('kind', [
  // What instances run.
  unhealthy.extend(launched),
  neverBoots.extend(launched),
  bootsSlowly.extend(launched),
  leaks.extend(launched),
  servesErrors.extend(launched),

  // What the API does. The first two refuse a call without carrying it out.
  z.strictObject({ kind: z.literal('throttled'), ...calls }),
  z.strictObject({ kind: z.literal('server-error'), ...calls }),
  /** The call is carried out; the answer never comes. */
  z.strictObject({ kind: z.literal('timeout'), ...calls }),
  /** The call is carried out; the connection closes instead of an answer. */
  z.strictObject({ kind: z.literal('lost-response'), ...calls }),
  /** As an IAM policy without the action: UnauthorizedOperation, AccessDenied. */
  z.strictObject({ kind: z.literal('denied'), ...always, operation: z.string() }),
  /** Request limits as AWS documents them. */
  z.strictObject({ kind: z.literal('rate-limits'), ...always }),
  /** Reads do not know of what was created less than the delay ago. */
  z.strictObject({ kind: z.literal('late-reads'), ...always, delay: spread }),

  // What the cloud does.
  /** InsufficientInstanceCapacity; `count`: how many launches it refuses. */
  z.strictObject({
    kind: z.literal('no-capacity'),
    ...always,
    zone: z.string().optional(),
    instanceType: z.string().optional(),
    count: count.optional(),
  }),
  /**
   * A rebalance recommendation, `recommendedMs` later the notice, and `noticeMs` after that the end. Of a group with spot
   * instances only those are taken; a group that has none stands in for one of spot instances.
   */
  z.strictObject({
    kind: z.literal('spot-interruption'),
    ...chosen,
    recommendedMs: duration.default(0),
    noticeMs: duration.default(120_000),
  }),
  /** Instances whose health checks pass fail `afterMs` later: their software stops working, or they are terminated. */
  z.strictObject({
    kind: z.literal('death'),
    ...chosen,
    afterMs: duration.default(0),
    of: z.enum(['software', 'machine']).default('software'),
  }),
  /** Targets stay draining for `drainMs`, whatever their target group says; the default is as good as for ever. */
  z.strictObject({
    kind: z.literal('slow-drain'),
    ...always,
    ...whom,
    drainMs: duration.default(day),
    count: count.optional(),
  }),
  /** An autoscaler or a person changes a group. */
  z.strictObject({
    kind: z.literal('changed-group'),
    ...always,
    group: z.string(),
    min: size.optional(),
    max: size.optional(),
    desired: size.optional(),
    /** A version of the group's launch template. */
    version: z.string().optional(),
  }),
  /** From then on every time the API tells is this far off the client's clock; adds up. */
  z.strictObject({ kind: z.literal('clock-jump'), ...always, byMs: z.number().int() }),
]);

export type Behaviour = z.output<typeof behaviourSchema>;
export type Fault = z.output<typeof faultSchema>;
export type FaultKind = Fault['kind'];
export type FaultOf<K extends FaultKind> = Extract<Fault, { kind: K }>;
/** A fault as it is ordered: what has a default may be left out. */
export type FaultOrder = z.input<typeof faultSchema>;

export const faultKinds: readonly FaultKind[] = faultSchema.options.map(
  (option) => [...option.shape.kind.values][0]!,
);

/** @throws Refused that says what is wrong with it */
export function readFault(value: unknown): Fault {
  const parsed = faultSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Refused(
    'invalid',
    `This is not a fault: ${z.prettifyError(parsed.error)}`,
    '`drover simulator start --help` lists the faults and what they take.',
    { cause: parsed.error },
  );
}
