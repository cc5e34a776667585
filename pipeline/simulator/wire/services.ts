/**
 * The services this account has: how each is addressed, which dialect it speaks, where its schemas come from,
 * and which of its operations are simulated.
 */
import * as autoScalingClient from '@aws-sdk/client-auto-scaling';
import * as ec2Client from '@aws-sdk/client-ec2';
import * as loadBalancingClient from '@aws-sdk/client-elastic-load-balancing-v2';
import * as securityTokenClient from '@aws-sdk/client-sts';
import { NormalizedSchema } from '@smithy/core/schema';
import type { World } from '../model/state.ts';
import { autoScalingOperations } from './operations/auto-scaling.ts';
import { ec2Operations } from './operations/ec2.ts';
import { loadBalancingOperations } from './operations/load-balancing.ts';
import { securityTokenOperations } from './operations/security-tokens.ts';
import type { Dialect } from './query.ts';

/** Takes the operation's input and returns its output, both in AWS's own shape. Throws ServiceError. */
export type Operation = (world: World, input: never) => object;

export interface Service {
  /** The service's name in a credential scope. */
  signingName: string;
  version: string;
  namespace: string;
  dialect: Dialect;
  schemas: Record<string, unknown>;
  operations: Record<string, Operation>;
}

export const services: readonly Service[] = [
  {
    signingName: 'ec2',
    version: '2016-11-15',
    namespace: 'http://ec2.amazonaws.com/doc/2016-11-15/',
    dialect: 'ec2Query',
    schemas: ec2Client,
    operations: ec2Operations,
  },
  {
    signingName: 'autoscaling',
    version: '2011-01-01',
    namespace: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
    dialect: 'awsQuery',
    schemas: autoScalingClient,
    operations: autoScalingOperations,
  },
  {
    signingName: 'elasticloadbalancing',
    version: '2015-12-01',
    namespace: 'http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/',
    dialect: 'awsQuery',
    schemas: loadBalancingClient,
    operations: loadBalancingOperations,
  },
  {
    signingName: 'sts',
    version: '2011-06-15',
    namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
    dialect: 'awsQuery',
    schemas: securityTokenClient,
    operations: securityTokenOperations,
  },
];

/** A service this account lacks answers InvalidAction to everything, and is counted as a gap. */
export const absentService = (signingName: string, version: string): Service => ({
  signingName,
  version,
  namespace: `http://${signingName}.amazonaws.com/doc/${version}/`,
  dialect: 'awsQuery',
  schemas: {},
  operations: {},
});

export const serviceOf = (signingName: string): Service =>
  services.find((service) => service.signingName === signingName) ?? absentService(signingName, '');

export interface OperationSchema {
  input: NormalizedSchema;
  output: NormalizedSchema;
}

/** Read once: what is compiled from a schema is kept with it. */
const known = new WeakMap<object, OperationSchema>();

/** The schema of an operation AWS knows; null when even AWS does not. */
export function operationSchema(service: Service, name: string): OperationSchema | null {
  const key = `${name}$`;
  const schema = Object.hasOwn(service.schemas, key) ? service.schemas[key] : null;
  // A static operation schema: [9, namespace, name, traits, input, output].
  if (!Array.isArray(schema) || schema[0] !== 9) return null;
  let operation = known.get(schema);
  if (!operation) {
    operation = { input: NormalizedSchema.of(schema[4]), output: NormalizedSchema.of(schema[5]) };
    known.set(schema, operation);
  }
  return operation;
}
