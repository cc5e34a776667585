/**
 * Drains the instance's Nomad client: no new allocations, and those it has are migrated, by force at Nomad's own
 * deadline, a little before the drain's (Nomad HTTP API, "Drain Node"). Level-triggered: what the node says is what
 * counts. Done when its last drain is complete, it takes no work and every allocation has ended. An instance that is
 * no client of the cluster has nothing to drain there.
 */
import { z } from 'zod';
import type { InstanceObservation } from '../../cloud/cloud.ts';
import type { Http } from '../services/http.ts';
import { patiently, undone } from '../services/outage.ts';
import { expected, request, type ServiceRequest } from '../services/service.ts';
import type { DrainSpec } from '../spec.ts';
import type { AskedDrain, DrainContext } from './drains.ts';

const source = 'nomad';

/**
 * Which release drained the node, and whether it took work before: Nomad keeps it in LastDrain.Meta. Whoever holds the
 * group may undo it, because one release at a time does.
 */
const releaseMark = 'drover_release';
const eligibleMark = 'drover_eligible_before';

/** Nomad stops by force what has not migrated by then; the rest is for the allocations to end. */
const nomadShare = 0.9;

/** As documented in "Read Node"; Meta and LastDrain are null where there are none. */
const nodeSchema = z.object({
  ID: z.string(),
  Name: z.string(),
  Attributes: z.record(z.string(), z.string()).nullish(),
  Meta: z.record(z.string(), z.string()).nullish(),
  SchedulingEligibility: z.enum(['eligible', 'ineligible']),
  DrainStrategy: z.object({}).nullish(),
  LastDrain: z.object({ Status: z.string(), Meta: z.record(z.string(), z.string()).nullish() }).nullish(),
});
type Node = z.output<typeof nodeSchema>;

const stubsSchema = z.array(z.object({ ID: z.string(), Address: z.string(), Status: z.string() }));
const allocationsSchema = z.array(z.object({ Name: z.string(), ClientStatus: z.string() })).nullable();

/** Allocation.ClientTerminalStatus of Nomad. */
const ended = new Set(['complete', 'failed', 'lost']);

type NomadSpec = Extract<DrainSpec, { type: 'nomad' }>;
type Given = Pick<DrainContext, 'http' | 'signal' | 'release' | 'group'>;

/** A client keeps its id as long as its instance lives. */
const known = new WeakMap<Http, Map<string, string>>();

export const nomad = (spec: NomadSpec): AskedDrain => {
  const ask = (context: Given, method: ServiceRequest['method'], path: string, body?: object) =>
    request(context, spec, 'X-Nomad-Token', { method, url: `${spec.address}${path}`, ...(body && { body }) });

  const read = async (context: Given, id: string): Promise<Node> =>
    expected(await ask(context, 'GET', `/v1/node/${id}`), nodeSchema);

  const isOf = (node: Node, instance: string): boolean =>
    (node.Attributes?.[spec.instance_id] ?? node.Meta?.[spec.instance_id]) === instance;

  async function nodeOf(context: Given, instance: string): Promise<Node | null> {
    const ids = known.get(context.http) ?? new Map<string, string>();
    known.set(context.http, ids);
    const key = `${spec.address} ${instance}`;
    const id = ids.get(key);
    // Known until it does not answer: a purged node comes back under another id.
    ids.delete(key);
    const node = id === undefined ? await searched(context, instance) : await read(context, id);
    if (node) ids.set(key, node.ID);
    return node;
  }

  /** The client that says it is this instance; those at its address are asked first, and usually suffice. */
  async function searched(context: Given, instance: string): Promise<Node | null> {
    const address = context.group.instances.find(({ id }) => id === instance)?.privateAddress;
    const stubs = expected(await ask(context, 'GET', '/v1/nodes'), stubsSchema);
    const isNear = (stub: { Address: string }) => stub.Address === address;
    const present = stubs.filter(({ Status }) => Status !== 'down');
    for (const { ID } of [...present.filter(isNear), ...present.filter((stub) => !isNear(stub))]) {
      const node = await read(context, ID);
      if (isOf(node, instance)) return node;
    }
    return null;
  }

  async function begin(context: Given, node: Node): Promise<void> {
    const answer = await ask(context, 'POST', `/v1/node/${node.ID}/drain`, {
      DrainSpec: { Deadline: Math.round(spec.deadlineMs * nomadShare) * 1_000_000, IgnoreSystemJobs: false },
      Meta: {
        [releaseMark]: context.release,
        [eligibleMark]: String(node.SchedulingEligibility === 'eligible'),
      },
    });
    expected(answer, z.unknown());
  }

  const isDrained = (node: Node): boolean =>
    node.LastDrain?.Status === 'complete' && node.SchedulingEligibility === 'ineligible';

  return {
    name: source,
    marksItself: true,

    start: async () => {},
    poll: (context, instance: InstanceObservation) =>
      patiently(source, async () => {
        const node = await nodeOf(context, instance.id);
        if (!node) return { status: 'passed', source, reason: `is no client of Nomad at ${spec.address}` };
        if (!node.DrainStrategy && !isDrained(node)) {
          await begin(context, node);
          return { status: 'waiting', source, reason: `${node.Name} has been told to drain` };
        }
        const allocations =
          expected(await ask(context, 'GET', `/v1/node/${node.ID}/allocations`), allocationsSchema) ?? [];
        const left = allocations
          .filter(({ ClientStatus }) => !ended.has(ClientStatus))
          .map(({ Name }) => Name);
        if (isDrained(node) && left.length === 0) {
          return { status: 'passed', source, reason: `${node.Name} is drained` };
        }
        const waits =
          left.length > 0 ? `${left.length} allocations have not ended` : 'its drain is not complete';
        return { status: 'waiting', source, reason: `${node.Name}: ${waits}` };
      }),

    abort: (context, instances) =>
      undone('end the Nomad drain', instances, async (id) => {
        const node = await nodeOf(context, id);
        const mark = node?.LastDrain?.Meta;
        if (!node || mark?.[releaseMark] === undefined) return;
        const wasEligible = mark[eligibleMark] === 'true';
        if (node.DrainStrategy) {
          const body = { DrainSpec: null, MarkEligible: wasEligible };
          expected(await ask(context, 'POST', `/v1/node/${node.ID}/drain`, body), z.unknown());
        } else if (wasEligible && node.SchedulingEligibility === 'ineligible') {
          const body = { Eligibility: 'eligible' };
          expected(await ask(context, 'POST', `/v1/node/${node.ID}/eligibility`, body), z.unknown());
        }
      }),
  };
};
