/** Systems Manager's operations on parameters, and which instances its agent answers from. */
import type {
  DeleteParameterRequest,
  DescribeInstanceInformationRequest,
  DescribeInstanceInformationResult,
  GetParameterRequest,
  GetParameterResult,
  GetParametersByPathRequest,
  GetParametersByPathResult,
  GetParametersRequest,
  GetParametersResult,
  Parameter as ParameterShape,
  PutParameterRequest,
  PutParameterResult,
} from '@aws-sdk/client-ssm';
import { works } from '../../model/behaviour.ts';
import { ServiceError } from '../../model/errors.ts';
import {
  deleteParameter,
  findParameter,
  type Parameter,
  parametersBelow,
  putParameter,
} from '../../model/parameters.ts';
import type { World } from '../../model/state.ts';
import type { Operation } from '../services.ts';
import { bySerial, page } from './pages.ts';

const notFound = (name: string): ServiceError =>
  new ServiceError('ParameterNotFound', `Parameter ${name} not found.`);

function parameterShape({ region, accountId }: World, parameter: Parameter, version: number): ParameterShape {
  const { value, modifiedAt } = parameter.versions[version - 1]!;
  const isPublic = parameter.name.startsWith('/aws/service/');
  return {
    Name: parameter.name,
    Type: parameter.type,
    Value: value,
    Version: version,
    LastModifiedDate: new Date(modifiedAt),
    ARN: `arn:aws:ssm:${region}:${isPublic ? '' : accountId}:parameter${parameter.name.replace(/^(?!\/)/, '/')}`,
    DataType: parameter.dataType,
  };
}

function GetParameter(world: World, input: GetParameterRequest): GetParameterResult {
  // Nothing is encrypted here, so there is nothing to decrypt.
  void input.WithDecryption;
  const found = findParameter(world, input.Name!);
  if (!found) throw notFound(input.Name!);
  return { Parameter: parameterShape(world, found.parameter, found.version) };
}

function GetParameters(world: World, input: GetParametersRequest): GetParametersResult {
  void input.WithDecryption;
  const names = input.Names ?? [];
  if (names.length > 10) throw new ServiceError('ValidationException', 'At most 10 names can be given.');
  const found = names.map((name) => ({ name, entry: findParameter(world, name) }));
  return {
    Parameters: found.flatMap(({ entry }) =>
      entry ? [parameterShape(world, entry.parameter, entry.version)] : [],
    ),
    InvalidParameters: found.filter(({ entry }) => !entry).map(({ name }) => name),
  };
}

function GetParametersByPath(world: World, input: GetParametersByPathRequest): GetParametersByPathResult {
  void input.WithDecryption;
  const below = parametersBelow(world, input.Path!, input.Recursive ?? false);
  const { items, nextToken } = page(below, ({ name }) => name, {
    token: input.NextToken,
    size: input.MaxResults ?? 10,
  });
  return {
    Parameters: items.map((parameter) => parameterShape(world, parameter, parameter.versions.length)),
    NextToken: nextToken,
  };
}

function PutParameter(world: World, input: PutParameterRequest): PutParameterResult {
  const version = putParameter(world, {
    name: input.Name!,
    type: input.Type,
    value: input.Value!,
    dataType: input.DataType ?? 'text',
    description: input.Description ?? null,
    overwrite: input.Overwrite ?? false,
  });
  return { Version: version, Tier: 'Standard' };
}

function DeleteParameter(world: World, input: DeleteParameterRequest): object {
  if (!deleteParameter(world, input.Name!)) throw notFound(input.Name!);
  return {};
}

/** Every instance that has run registers; one whose software does not work is lost to the agent's service. */
function DescribeInstanceInformation(
  world: World,
  input: DescribeInstanceInformationRequest,
): DescribeInstanceInformationResult {
  const ids = input.Filters?.find(({ Key }) => Key === 'InstanceIds')?.Values;
  const registered = Object.values(world.instances).filter(
    (instance) =>
      instance.runningSince !== null && instance.state === 'running' && (ids?.includes(instance.id) ?? true),
  );
  const { items, nextToken } = page(registered, bySerial, {
    token: input.NextToken,
    size: input.MaxResults ?? 10,
  });
  return {
    InstanceInformationList: items.map((instance) => ({
      InstanceId: instance.id,
      PingStatus: works(world, instance) ? 'Online' : 'ConnectionLost',
      LastPingDateTime: new Date(world.now),
      PlatformType: 'Linux',
      IPAddress: instance.privateAddress,
      ResourceType: 'EC2Instance',
    })),
    NextToken: nextToken,
  };
}

export const systemsManagerOperations: Record<string, Operation> = {
  DeleteParameter,
  DescribeInstanceInformation,
  GetParameter,
  GetParameters,
  GetParametersByPath,
  PutParameter,
};
