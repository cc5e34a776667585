/**
 * One call of one operation: the input becomes an output, and what the account lacks is counted. Both doors lead
 * here, HTTP (answer.ts) and this process (direct.ts); neither the protocol nor the transport is known here.
 */
import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceError } from '../model/errors.ts';
import { interfere, type Loss } from '../model/interference.ts';
import type { World } from '../model/state.ts';
import { copied } from './copy.ts';
import { type Protocol, UnknownParameter } from './protocol.ts';
import { operationSchema, type Service } from './services.ts';

/** What clients asked for and the simulator lacks → how often: 'ec2:CopyImage', 'ec2:RunInstances.Placement (ignored)'. */
export type Gaps = Map<string, number>;

/** What a request is addressed to, and in which protocol it is answered. */
export interface Addressed {
  service: Service;
  operation: string;
  protocol: Protocol;
}

/**
 * @param read makes the operation's input, by its schema
 * @returns the output, its schema, and what becomes of the answer on its way: null when it arrives
 * @throws ServiceError with the code and message AWS answers with
 */
export function call(
  world: World,
  { service, operation: name, protocol }: Addressed,
  read: (schema: NormalizedSchema) => Record<string, unknown>,
  gaps: Gaps,
): { schema: NormalizedSchema; output: object; lost: Loss | null } {
  const schema = operationSchema(service, name);
  const operation = Object.hasOwn(service.operations, name) ? service.operations[name] : undefined;
  if (!schema || !operation) {
    count(gaps, `${service.signingName}:${name}`);
    throw protocol.unknownOperation(name);
  }
  const input = readOrCount(() => read(schema.input), service, name, gaps);
  const lost = interfere(world, service.signingName, name, input);
  if (input.DryRun === true) {
    throw new ServiceError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
  }
  const watched = watchReads(input);
  const output = operation(world, watched.input as never);
  for (const parameter of watched.unread()) {
    count(gaps, `${service.signingName}:${name}.${parameter} (ignored)`);
  }
  const { clockOffsetMs } = world;
  const told = clockOffsetMs === 0 ? output : copied(schema.output, output, clockOffsetMs);
  return { schema: schema.output, output: told, lost };
}

function readOrCount<T>(read: () => T, service: Service, name: string, gaps: Gaps): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnknownParameter) count(gaps, `${service.signingName}:${name}: ${error.message}`);
    throw error;
  }
}

export const count = (gaps: Gaps, what: string): void => void gaps.set(what, (gaps.get(what) ?? 0) + 1);

/** Finds out which given parameters an operation never looks at, so that no gap stays hidden. */
function watchReads(input: Record<string, unknown>): {
  input: Record<string, unknown>;
  unread(): string[];
} {
  const read = new Set<string | symbol>(['DryRun']);
  return {
    input: new Proxy(input, {
      get(target, key) {
        read.add(key);
        return Reflect.get(target, key);
      },
    }),
    unread: () => Object.keys(input).filter((key) => !read.has(key)),
  };
}
