/**
 * Launch templates: numbered, immutable versions, of which one is the default.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/launch-templates.html and
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html
 */
import { ServiceError } from './errors.ts';
import { newId, nextSerial } from './identity.ts';
import type { LaunchTemplate, Tags, TemplateData, TemplateVersion, World } from './state.ts';

/** A template by id or by name; exactly one must be given. */
export interface TemplateKey {
  id?: string | undefined;
  name?: string | undefined;
}

export function findTemplate(world: World, key: TemplateKey): LaunchTemplate {
  if (key.id !== undefined && key.name !== undefined) {
    throw new ServiceError(
      'InvalidParameterCombination',
      'Specify either a launch template ID or a launch template name, but not both.',
    );
  }
  if (key.id !== undefined) {
    if (!/^lt-[0-9a-f]{8,17}$/.test(key.id)) {
      throw new ServiceError(
        'InvalidLaunchTemplateId.Malformed',
        `The specified launch template ID, '${key.id}', is malformed.`,
      );
    }
    const template = world.templates[key.id];
    if (template) return template;
    throw noSuchTemplate(key);
  }
  if (key.name === undefined) {
    throw new ServiceError('MissingParameter', 'Either a launch template ID or name must be specified.');
  }
  const template = Object.values(world.templates).find((candidate) => candidate.name === key.name);
  if (template) return template;
  throw noSuchTemplate(key);
}

export const noSuchTemplate = ({ id, name }: TemplateKey): ServiceError =>
  id === undefined
    ? new ServiceError(
        'InvalidLaunchTemplateName.NotFoundException',
        `The specified launch template, with template name ${name}, does not exist.`,
      )
    : new ServiceError(
        'InvalidLaunchTemplateId.NotFound',
        `The specified launch template, with template ID ${id}, does not exist.`,
      );

/** '$Latest', '$Default' (also when left out) or a number as text. */
export function resolveVersion(template: LaunchTemplate, version: string | undefined): TemplateVersion {
  const number =
    version === '$Latest'
      ? template.latestVersion
      : version === undefined || version === '' || version === '$Default'
        ? template.defaultVersion
        : Number(version);
  const found = Number.isInteger(number) ? template.versions[number] : undefined;
  if (found) return found;
  throw new ServiceError(
    'InvalidLaunchTemplateId.VersionNotFound',
    `Could not find launch template version ${version} for template ${template.id}.`,
  );
}

export function createTemplate(
  world: World,
  request: { name: string; description: string | null; data: TemplateData; tags: Tags },
): LaunchTemplate {
  if (Object.values(world.templates).some((template) => template.name === request.name)) {
    throw new ServiceError(
      'InvalidLaunchTemplateName.AlreadyExistsException',
      'Launch template name already in use.',
    );
  }
  const template: LaunchTemplate = {
    id: newId(world, 'lt'),
    serial: nextSerial(world),
    name: request.name,
    createdAt: world.now,
    defaultVersion: 1,
    latestVersion: 1,
    versions: {
      1: { version: 1, createdAt: world.now, description: request.description, data: request.data },
    },
    tags: request.tags,
  };
  world.templates[template.id] = template;
  return template;
}

/**
 * "If you specify a source version, the new version inherits the same launch parameters as the source version,
 * except for parameters that you specify in LaunchTemplateData": a parameter given replaces the source's whole.
 */
export function createVersion(
  world: World,
  template: LaunchTemplate,
  request: { sourceVersion: string | undefined; description: string | null; data: TemplateData },
): TemplateVersion {
  const source =
    request.sourceVersion === undefined ? {} : resolveVersion(template, request.sourceVersion).data;
  template.latestVersion += 1;
  const version: TemplateVersion = {
    version: template.latestVersion,
    createdAt: world.now,
    description: request.description,
    data: { ...source, ...request.data },
  };
  template.versions[version.version] = version;
  return version;
}

/** Numbers are never used again: deleting the newest version does not free its number. */
export function deleteVersion(template: LaunchTemplate, text: string): TemplateVersion {
  const version = resolveVersion(template, text);
  if (version.version === template.defaultVersion) {
    throw new ServiceError(
      'OperationNotPermitted',
      `You cannot delete the default version of a launch template. Version: ${version.version}`,
    );
  }
  delete template.versions[version.version];
  return version;
}

export function deleteTemplate(world: World, template: LaunchTemplate): void {
  delete world.templates[template.id];
}
