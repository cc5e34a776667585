/**
 * The services this account has: how each is addressed, which dialect it speaks, where its schemas come from,
 * and which of its operations are simulated.
 */
import * as autoScalingClient from '@aws-sdk/client-auto-scaling';
import * as cloudWatchClient from '@aws-sdk/client-cloudwatch';
import * as ec2Client from '@aws-sdk/client-ec2';
import * as loadBalancingClient from '@aws-sdk/client-elastic-load-balancing-v2';
import * as systemsManagerClient from '@aws-sdk/client-ssm';
import * as securityTokenClient from '@aws-sdk/client-sts';
import { NormalizedSchema } from '@smithy/core/schema';
import type { World } from '../model/state.ts';
import { awsJson } from './json.ts';
import { autoScalingOperations } from './operations/auto-scaling.ts';
import { cloudWatchOperations } from './operations/cloudwatch.ts';
import { ec2Operations } from './operations/ec2.ts';
import { loadBalancingOperations } from './operations/load-balancing.ts';
import { securityTokenOperations } from './operations/security-tokens.ts';
import { systemsManagerOperations } from './operations/systems-manager.ts';
import type { Protocol } from './protocol.ts';
import type { Dialect } from './query.ts';
import { queryProtocol } from './xml.ts';

/** Takes the operation's input and returns its output, both in AWS's own shape. Throws ServiceError. */
export type Operation = (world: World, input: never) => object;

export interface Service {
  /** The service's name in a credential scope. */
  signingName: string;
  version: string;
  namespace: string;
  /** How it reads and writes Query requests, for those clients that speak it. */
  dialect: Dialect;
  /** The protocol in which the SDK's client speaks to it. */
  protocol: Protocol;
  /** Its name where the protocol is not Query: in x-amz-target and in paths. */
  target?: string;
  /** Its errors tell the code they had in Query. */
  queryCompatible?: true;
  schemas: Record<string, unknown>;
  operations: Record<string, Operation>;
}

export const services: readonly Service[] = [
  {
    signingName: 'ec2',
    version: '2016-11-15',
    namespace: 'http://ec2.amazonaws.com/doc/2016-11-15/',
    dialect: 'ec2Query',
    protocol: queryProtocol('ec2Query'),
    schemas: ec2Client,
    operations: ec2Operations,
  },
  {
    signingName: 'autoscaling',
    version: '2011-01-01',
    namespace: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
    dialect: 'awsQuery',
    protocol: queryProtocol('awsQuery'),
    schemas: autoScalingClient,
    operations: autoScalingOperations,
  },
  {
    signingName: 'elasticloadbalancing',
    version: '2015-12-01',
    namespace: 'http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/',
    dialect: 'awsQuery',
    protocol: queryProtocol('awsQuery'),
    schemas: loadBalancingClient,
    operations: loadBalancingOperations,
  },
  {
    signingName: 'sts',
    version: '2011-06-15',
    namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
    dialect: 'awsQuery',
    protocol: queryProtocol('awsQuery'),
    schemas: securityTokenClient,
    operations: securityTokenOperations,
  },
  {
    signingName: 'monitoring',
    version: '2010-08-01',
    namespace: 'http://monitoring.amazonaws.com/doc/2010-08-01/',
    dialect: 'awsQuery',
    protocol: awsJson('1.0'),
    target: 'GraniteServiceVersion20100801',
    queryCompatible: true,
    schemas: cloudWatchClient,
    operations: cloudWatchOperations,
  },
  {
    signingName: 'ssm',
    version: '2014-11-06',
    namespace: 'http://ssm.amazonaws.com/doc/2014-11-06/',
    dialect: 'awsQuery',
    protocol: awsJson('1.1'),
    target: 'AmazonSSM',
    schemas: systemsManagerClient,
    operations: systemsManagerOperations,
  },
];

/** A service this account lacks refuses every operation, and each is counted as a gap. */
export const absentService = (signingName: string, version: string): Service => ({
  signingName,
  version,
  namespace: `http://${signingName}.amazonaws.com/doc/${version}/`,
  dialect: 'awsQuery',
  protocol: queryProtocol('awsQuery'),
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
