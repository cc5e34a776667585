/**
 * Systems Manager parameters: named values with numbered versions. Those under /aws/service/ belong to AWS; here they
 * name the public images of the account.
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
 */
import { ServiceError } from './errors.ts';
import type { World } from './state.ts';

export interface Parameter {
  name: string;
  type: 'String' | 'StringList' | 'SecureString';
  dataType: string;
  description: string | null;
  /** Value and time of each version, the first being version 1. */
  versions: { value: string; modifiedAt: number }[];
}

/** @param reference a name, or a name and a version: '/app/limit:3' */
export function findParameter(
  world: World,
  reference: string,
): { parameter: Parameter; version: number } | null {
  const [, name = reference, selector] = /^([^:]+)(?::(.+))?$/.exec(reference) ?? [];
  const parameter = Object.hasOwn(world.parameters, name) ? world.parameters[name]! : null;
  if (!parameter) return null;
  const version = selector === undefined ? parameter.versions.length : Number(selector);
  if (parameter.versions[version - 1]) return { parameter, version };
  throw new ServiceError(
    'ParameterVersionNotFound',
    `Systems Manager could not find version ${selector} of ${name}. Verify the version and try again.`,
  );
}

/** @returns the number of the version it has made */
export function putParameter(
  world: World,
  request: Omit<Parameter, 'versions' | 'type'> & {
    type: Parameter['type'] | undefined;
    value: string;
    overwrite: boolean;
  },
): number {
  const { name, value, overwrite, type, ...rest } = request;
  if (/^\/?(?:aws|ssm)/i.test(name)) {
    throw new ServiceError('AccessDeniedException', `No access to reserved parameter name: ${name}.`);
  }
  const existing = Object.hasOwn(world.parameters, name) ? world.parameters[name]! : null;
  if (existing && !overwrite) {
    throw new ServiceError(
      'ParameterAlreadyExists',
      'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
    );
  }
  if (!existing && type === undefined) {
    throw new ServiceError(
      'ValidationException',
      'A parameter type is required when you create a parameter.',
    );
  }
  const versions = existing?.versions ?? [];
  versions.push({ value, modifiedAt: world.now });
  world.parameters[name] = { name, ...rest, type: type ?? existing!.type, versions };
  return versions.length;
}

export function deleteParameter(world: World, name: string): boolean {
  if (!Object.hasOwn(world.parameters, name)) return false;
  delete world.parameters[name];
  return true;
}

/** Names directly below `path`, or at any depth; in order. */
export function parametersBelow(world: World, path: string, recursive: boolean): Parameter[] {
  const prefix = path.endsWith('/') ? path : `${path}/`;
  return Object.values(world.parameters).filter(
    ({ name }) => name.startsWith(prefix) && (recursive || !name.slice(prefix.length).includes('/')),
  );
}

/** AWS publishes an image under a name of its own. */
export function publish(world: World, name: string, imageId: string): void {
  const versions = [{ value: imageId, modifiedAt: world.now }];
  world.parameters[name] = { name, type: 'String', dataType: 'aws:ec2:image', description: null, versions };
}
