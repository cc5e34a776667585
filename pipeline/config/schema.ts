/**
 * The shape of drover.yaml. `configSchema` is the one source: it validates, it types, and config/write-schema.ts
 * turns it into the JSON Schema editors use. Durations are written '90s', '5m', '1h30m' and become milliseconds;
 * sizes are a number of instances or a percentage of the group's desired capacity.
 */
import { z } from 'zod';
import { distributions } from '../image.ts';
import { duration } from './duration.ts';
import {
  consulDrain,
  deadlines,
  kubernetesDrain,
  kubernetesGate,
  nomadDrain,
  oneToken,
  serviceUrl,
  tokenSource,
  vaultDrain,
} from './orchestrators.ts';

/** '200-299, 404' → [[200, 299], [404, 404]]; null for anything else. */
export function statusRanges(text: string): [number, number][] | null {
  const ranges = text.split(',').map((part) => /^\s*([1-5]\d\d)(?:-([1-5]\d\d))?\s*$/.exec(part));
  const found = ranges.flatMap((match): [number, number][] =>
    match ? [[Number(match[1]), Number(match[2] ?? match[1])]] : [],
  );
  return found.length === ranges.length && found.every(([from, to]) => from <= to) ? found : null;
}

/** A count of instances, or '25%' of desired (rounded up for surge, down for unavailable). */
const size = z.union([
  z.int().min(0),
  z.string().regex(/^\d{1,3}%$/, "write a number of instances or '25%'"),
]);

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/, 'letters, digits and . _ / - only');

const regularExpression = z.string().refine((text) => {
  try {
    return Boolean(new RegExp(text));
  } catch {
    return false;
  }
}, 'not a regular expression');

const gate = z.discriminatedUnion('type', [
  z
    .strictObject({ type: z.literal('in-service') })
    .meta({ description: 'Auto Scaling says InService and Healthy' }),
  z
    .strictObject({ type: z.literal('status-checks') })
    .meta({ description: 'EC2 system and instance status checks are ok' }),
  z
    .strictObject({ type: z.literal('target-health') })
    .meta({ description: 'healthy in every target group of the group' }),
  z
    .strictObject({
      type: z.literal('command'),
      name,
      argv: z.array(z.string()).min(1),
      timeout: duration.default('30s'),
    })
    .meta({
      description:
        'exit 0 passes, 75 (EX_TEMPFAIL) waits, anything else fails; DROVER_INSTANCE_ID and others in the environment',
    }),
  z
    .strictObject({
      type: z.literal('http'),
      scheme: z.enum(['http', 'https']).default('http'),
      port: z.int().min(1).max(65_535),
      path: z.string().regex(/^\//, 'begins with /').default('/'),
      status: z
        .string()
        .refine((text) => statusRanges(text) !== null, "write statuses as '200' or '200-299, 404'")
        .default('200-299'),
      contains: z.string().min(1).optional().meta({ description: 'text the body must contain' }),
      matches: regularExpression.optional().meta({ description: 'regular expression the body must match' }),
      host: z.string().min(1).optional().meta({ description: 'Host header; the address when left out' }),
      timeout: duration.default('5s'),
    })
    .meta({ description: 'asks the instance at its private address; its certificate is not checked' }),
  z
    .strictObject({
      type: z.literal('alarms'),
      names: z.array(z.string().min(1).max(255)).min(1).max(100),
      insufficient_data: z.enum(['wait', 'pass', 'fail']).default('wait'),
    })
    .meta({
      description:
        'CloudWatch alarms (composite too) over the whole group, before, while and after it is rolled: ALARM or no such alarm fails',
    }),
  z
    .strictObject({
      type: z.literal('prometheus'),
      name,
      url: serviceUrl.meta({ description: 'of the server, without /api/v1/query' }),
      query: z.string().min(1).meta({ description: 'instant query that gives a vector or a scalar' }),
      min: z.number().optional(),
      max: z.number().optional(),
      ...tokenSource,
      timeout: duration.default('10s'),
    })
    .refine(({ min, max }) => min !== undefined || max !== undefined, 'needs `min`, `max` or both')
    .refine(...oneToken)
    .meta({
      description: 'every value must lie within the limits, before, while and after the group is rolled',
    }),
  kubernetesGate,
]);

const commandDrain = z
  .strictObject({ type: z.literal('command'), name, argv: z.array(z.string()).min(1), ...deadlines })
  .meta({ description: 'run until exit 0; 75 (EX_TEMPFAIL) means not yet; anything else fails' });
const httpHookDrain = z
  .strictObject({
    type: z.literal('http-hook'),
    name,
    url: serviceUrl,
    ...tokenSource,
    timeout: duration.default('10s').meta({ description: 'of one request' }),
    ...deadlines,
  })
  .refine(...oneToken)
  .meta({
    description:
      'POST the instance as JSON until a 2xx; 202, 409, 423, 425, 429 and 503 mean not yet, anything else fails',
  });

const drain = z.discriminatedUnion('type', [
  z
    .strictObject({ type: z.literal('target-group'), ...deadlines })
    .meta({ description: 'deregister from every target group, wait until no longer draining' }),
  commandDrain,
  httpHookDrain,
  kubernetesDrain,
  nomadDrain,
  vaultDrain,
  consulDrain,
]);

const handover = z.strictObject({
  hook: z.string().min(1).max(255).meta({ description: 'a termination lifecycle hook of the group' }),
  until: z
    .discriminatedUnion('type', [commandDrain, httpHookDrain])
    .meta({ description: 'asked about each instance that waits behind the hook; what it says decides' }),
});

const strategy = z.discriminatedUnion('type', [
  z
    .strictObject({ type: z.literal('rolling') })
    .meta({ description: 'whenever surge and unavailable leave room, the next instance' }),
  z
    .strictObject({
      type: z.literal('canary'),
      size: size
        .refine((value) => Number.parseInt(String(value), 10) > 0, 'a canary has at least one instance')
        .default(1)
        .meta({ description: 'instances on the new image until they have soaked' }),
      soak: duration
        .default('10m')
        .meta({ description: 'what their gates must hold before the others follow' }),
    })
    .meta({
      description:
        'a few first, then rolling; with a surge of at least their number an abort has nothing to launch again',
    }),
  z
    .strictObject({
      type: z.literal('instance-refresh'),
      checkpoints: z
        .array(z.int().min(1).max(100))
        .refine(
          (all) => all.every((one, index) => index === 0 || one > all[index - 1]!),
          'in ascending order',
        )
        .default([])
        .meta({ description: 'percentages of the group at which Auto Scaling pauses' }),
      checkpoint_soak: duration
        .default('10m')
        .meta({ description: 'how long it pauses there; never less than gate_deadline' }),
    })
    .meta({
      description:
        'Auto Scaling replaces the instances itself, within surge and unavailable of what it calls healthy; gates are asked all the while',
    }),
]);

/** The words and the default of Auto Scaling's own instance refresh. */
const held = z.enum(['wait', 'ignore', 'replace']);

/** How a group is rolled. Every key may be set for all, per environment, per group and for emergencies. */
const rolloutKeys = {
  strategy,
  surge: size.meta({ description: 'instances above desired while rolling' }),
  unavailable: size.meta({ description: 'instances below desired while rolling' }),
  gates: z.array(gate).min(1).meta({ description: 'all must pass before an instance counts as serving' }),
  passes: z.int().min(1).max(20).meta({ description: 'consecutive passes that make an instance serving' }),
  gate_deadline: duration.meta({ description: 'an instance that has not passed by then fails the rollout' }),
  drain: z.array(drain).meta({ description: 'in this order, before an instance is terminated' }),
  handover: handover.meta({
    description: 'after termination: Drover keeps the hook waiting until the work is done, then completes it',
  }),
  protected_instances: held.meta({ description: 'instances protected from scale-in' }),
  standby_instances: held.meta({ description: 'instances in Standby' }),
  soak: duration.meta({ description: 'after a wave is replaced, its gates must hold this long' }),
  deadline: duration.meta({ description: 'a wave that takes longer fails' }),
};
const rolloutOverrides = z.strictObject(rolloutKeys).partial();

const rollout = z.strictObject({
  strategy: rolloutKeys.strategy.default({ type: 'rolling' }),
  surge: rolloutKeys.surge.default(1),
  unavailable: rolloutKeys.unavailable.default(0),
  gates: rolloutKeys.gates.default([
    { type: 'in-service' },
    { type: 'status-checks' },
    { type: 'target-health' },
  ]),
  passes: rolloutKeys.passes.default(3),
  gate_deadline: rolloutKeys.gate_deadline.default('10m'),
  drain: rolloutKeys.drain.default([{ type: 'target-group', deadline: '5m', on_deadline: 'fail' }]),
  handover: rolloutKeys.handover.optional(),
  protected_instances: rolloutKeys.protected_instances.default('wait'),
  standby_instances: rolloutKeys.standby_instances.default('wait'),
  soak: rolloutKeys.soak.default('5m'),
  deadline: rolloutKeys.deadline.default('2h'),
  groups: z.record(name, rolloutOverrides).default({}).meta({ description: 'overrides by group name' }),
});

const wave = z.strictObject({ name, groups: z.array(name).min(1) });

const simulatedGroup = z.strictObject({
  desired: z.int().min(0).max(10_000),
  min: z.int().min(0).optional(),
  max: z.int().min(0).optional(),
  zones: z.int().min(1).max(6).default(3),
  load_balanced: z.boolean().default(true),
  instance_type: z.string().default('t3.micro'),
});

export const configSchema = z.strictObject({
  version: z.literal(1),
  cloud: z.enum(['simulator', 'aws']).default('simulator'),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'an AWS region, e.g. eu-central-1')
    .default('eu-central-1'),
  image: z.strictObject({
    name,
    distribution: z.enum(distributions).default('debian-12'),
    builder: z.enum(['local', 'amazon-ebs']).default('local').meta({
      description: 'local: a qcow2 disk built on this machine; amazon-ebs: an AMI built in the region',
    }),
    role: name.default('base'),
    hardening: z.string().default('hardening/cis-level1-server.yaml').meta({ description: 'profile file' }),
    profile: name.optional().meta({
      description: "another profile of the same content, e.g. cis_level2_server; default: the file's",
    }),
    policies: z.string().default('scans/policies.yaml').meta({ description: 'policy file' }),
    budget: z
      .string()
      .default('scans/budget.yaml')
      .meta({ description: 'what an image of each role may carry and weigh' }),
    amazon: z
      .strictObject({
        instance_type: z.string().default('t3.small'),
        subnet: z.string().optional(),
        security_group: z.string().optional(),
        instance_profile: z
          .string(
            'Packer reaches its instances through Session Manager alone: name an instance profile with AmazonSSMManagedInstanceCore',
          )
          .meta({ description: 'with AmazonSSMManagedInstanceCore' }),
        kms_key: z.string().optional().meta({ description: 'of your own, with the tag drover=managed' }),
        share_with: z.array(z.string().regex(/^\d{12}$/, 'an AWS account id')).default([]),
      })
      .optional(),
  }),
  scan: z
    .strictObject({
      scanners: z
        .array(
          z.strictObject({
            format: z.enum(['trivy', 'grype', 'inspector']).meta({ description: 'what its JSON is read as' }),
            argv: z.array(z.string()).min(1).meta({
              description:
                '{sbom} stands for the CycloneDX file, {image} for the image id; prints the report',
            }),
            timeout: duration.default('10m'),
          }),
        )
        .default([]),
      kev: z
        .string()
        .optional()
        .meta({ description: "file: CISA's catalogue of known exploited vulnerabilities, as JSON" }),
    })
    .prefault({})
    .meta({ description: "vulnerability scanners besides the distribution's own security updates" }),
  fleet: z.strictObject({
    staging: z.strictObject({ waves: z.array(wave).min(1), rollout: rolloutOverrides.optional() }),
    production: z.strictObject({ waves: z.array(wave).min(1), rollout: rolloutOverrides.optional() }),
  }),
  bake: z.strictObject({ soak: duration.default('1h') }).default({ soak: '1h' }),
  rollout: rollout.prefault({}),
  emergency: z
    .strictObject({
      bake_soak: duration.default('2m'),
      rollout: rolloutOverrides.default({ surge: '100%', soak: '1m' }),
    })
    .prefault({})
    .meta({ description: 'what `drover run --emergency` uses instead, for every group' }),
  simulator: z
    .strictObject({
      boot: duration.default('3s').meta({ description: 'pending to running' }),
      warm_up: duration
        .default('3s')
        .meta({ description: 'running to status checks ok and healthy targets' }),
      drain: duration.default('3s').meta({ description: 'deregistration delay in use' }),
      terminate: duration.default('2s'),
      groups: z.record(name, simulatedGroup).default({}),
    })
    .prefault({})
    .meta({ description: 'the simulated account behind cloud: simulator' }),
});

export type Config = z.output<typeof configSchema>;
export type GateConfig = z.output<typeof gate>;
export type DrainConfig = z.output<typeof drain>;
export type StrategyConfig = z.output<typeof strategy>;
export type RolloutOverrides = z.output<typeof rolloutOverrides>;
export type Size = z.output<typeof size>;
