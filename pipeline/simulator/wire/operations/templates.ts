/** EC2's operations on launch templates. */
import type {
  CreateLaunchTemplateRequest,
  CreateLaunchTemplateResult,
  CreateLaunchTemplateVersionRequest,
  CreateLaunchTemplateVersionResult,
  DeleteLaunchTemplateRequest,
  DeleteLaunchTemplateResult,
  DeleteLaunchTemplateVersionsRequest,
  DeleteLaunchTemplateVersionsResult,
  DescribeLaunchTemplatesRequest,
  DescribeLaunchTemplatesResult,
  DescribeLaunchTemplateVersionsRequest,
  DescribeLaunchTemplateVersionsResult,
  LaunchTemplate as LaunchTemplateShape,
  ModifyLaunchTemplateRequest,
  ModifyLaunchTemplateResult,
  LaunchTemplateVersion as VersionShape,
} from '@aws-sdk/client-ec2';
import { ServiceError } from '../../model/errors.ts';
import { specifiedTags } from '../../model/launching.ts';
import { knownTemplate } from '../../model/propagation.ts';
import type { LaunchTemplate, TemplateVersion, World } from '../../model/state.ts';
import {
  createTemplate,
  createVersion,
  deleteTemplate,
  deleteVersion,
  findTemplate,
  noSuchTemplate,
  resolveVersion,
  type TemplateKey,
} from '../../model/templates.ts';
import { idempotent } from '../../model/tokens.ts';
import { filtered } from './filters.ts';
import { bySerial, page } from './pages.ts';
import { plain, tagList } from './shapes.ts';

const creator = (world: World): string => `arn:aws:iam::${world.accountId}:user/drover`;

const templateShape = (world: World, template: LaunchTemplate): LaunchTemplateShape => ({
  LaunchTemplateId: template.id,
  LaunchTemplateName: template.name,
  CreateTime: new Date(template.createdAt),
  CreatedBy: creator(world),
  DefaultVersionNumber: template.defaultVersion,
  LatestVersionNumber: template.latestVersion,
  Tags: tagList(template.tags),
});

const versionShape = (world: World, template: LaunchTemplate, version: TemplateVersion): VersionShape => ({
  LaunchTemplateId: template.id,
  LaunchTemplateName: template.name,
  VersionNumber: version.version,
  VersionDescription: version.description ?? undefined,
  CreateTime: new Date(version.createdAt),
  CreatedBy: creator(world),
  DefaultVersion: version.version === template.defaultVersion,
  LaunchTemplateData: version.data as VersionShape['LaunchTemplateData'],
});

const named = (world: World, input: { LaunchTemplateId?: string; LaunchTemplateName?: string }) =>
  findTemplate(world, { id: input.LaunchTemplateId, name: input.LaunchTemplateName });

/** The template as reads know it. @throws ServiceError when they know of none */
function knownBy(world: World, key: TemplateKey): LaunchTemplate {
  const known = knownTemplate(world, findTemplate(world, key));
  if (known) return known;
  throw noSuchTemplate(key);
}

const allKnown = (world: World): LaunchTemplate[] =>
  Object.values(world.templates).flatMap((template) => knownTemplate(world, template) ?? []);

export const CreateLaunchTemplate = (
  world: World,
  input: CreateLaunchTemplateRequest,
): CreateLaunchTemplateResult =>
  idempotent(world, 'CreateLaunchTemplate', input, () => {
    const template = createTemplate(world, {
      name: input.LaunchTemplateName!,
      description: input.VersionDescription ?? null,
      data: plain(input.LaunchTemplateData),
      tags: specifiedTags(plain({ tags: input.TagSpecifications }).tags, 'launch-template'),
    });
    return { LaunchTemplate: templateShape(world, template) };
  });

export const CreateLaunchTemplateVersion = (
  world: World,
  input: CreateLaunchTemplateVersionRequest,
): CreateLaunchTemplateVersionResult =>
  idempotent(world, 'CreateLaunchTemplateVersion', input, () => {
    const template = named(world, input);
    const version = createVersion(world, template, {
      sourceVersion: input.SourceVersion,
      description: input.VersionDescription ?? null,
      data: plain(input.LaunchTemplateData),
    });
    return { LaunchTemplateVersion: versionShape(world, template, version) };
  });

export function DescribeLaunchTemplates(
  world: World,
  input: DescribeLaunchTemplatesRequest,
): DescribeLaunchTemplatesResult {
  const wanted = [
    ...(input.LaunchTemplateIds ?? []).map((id) => knownBy(world, { id })),
    ...(input.LaunchTemplateNames ?? []).map((name) => knownBy(world, { name })),
  ];
  const all = input.LaunchTemplateIds || input.LaunchTemplateNames ? wanted : allKnown(world);
  const matching = filtered(all, input.Filters, {
    'launch-template-name': (template) => [template.name],
    'create-time': (template) => [new Date(template.createdAt).toISOString()],
  });
  const { items, nextToken } = page(matching, bySerial, {
    token: input.NextToken,
    size: input.MaxResults || 200,
  });
  return { LaunchTemplates: items.map((template) => templateShape(world, template)), NextToken: nextToken };
}

export function DescribeLaunchTemplateVersions(
  world: World,
  input: DescribeLaunchTemplateVersionsRequest,
): DescribeLaunchTemplateVersionsResult {
  if (!input.LaunchTemplateId && !input.LaunchTemplateName) {
    return describeAcrossTemplates(world, input);
  }
  const template = knownBy(world, { id: input.LaunchTemplateId, name: input.LaunchTemplateName });
  const versions = input.Versions?.length
    ? input.Versions.map((version) => resolveVersion(template, version))
    : Object.values(template.versions);
  const from = Number(input.MinVersion ?? 0);
  const to = Number(input.MaxVersion ?? Number.MAX_SAFE_INTEGER);
  const within = versions.filter(({ version }) => version >= from && version <= to);
  const matching = filtered(
    within.map((version) => ({ version, tags: {} })),
    input.Filters,
    {
      'image-id': ({ version }) => [String(version.data.ImageId ?? '')],
      'instance-type': ({ version }) => [String(version.data.InstanceType ?? '')],
      'is-default-version': ({ version }) => [String(version.version === template.defaultVersion)],
    },
  );
  // Newest first, as EC2 lists them.
  const newestFirst = ({ version }: { version: TemplateVersion }): string =>
    String(1e9 - version.version).padStart(10, '0');
  const { items, nextToken } = page(matching, newestFirst, {
    token: input.NextToken,
    size: input.MaxResults || 200,
  });
  return {
    LaunchTemplateVersions: items.map(({ version }) => versionShape(world, template, version)),
    NextToken: nextToken,
  };
}

/** Without a template the operation answers for all of them, but only for '$Latest' and '$Default'. */
function describeAcrossTemplates(
  world: World,
  input: DescribeLaunchTemplateVersionsRequest,
): DescribeLaunchTemplateVersionsResult {
  const versions = input.Versions ?? [];
  if (versions.length === 0 || versions.some((version) => version !== '$Latest' && version !== '$Default')) {
    throw new ServiceError('MissingParameter', 'Either a launch template ID or name must be specified.');
  }
  const { items, nextToken } = page(allKnown(world), bySerial, {
    token: input.NextToken,
    size: input.MaxResults || 200,
  });
  return {
    LaunchTemplateVersions: items.flatMap((template) => {
      const found = new Set(versions.map((version) => resolveVersion(template, version)));
      return [...found].map((version) => versionShape(world, template, version));
    }),
    NextToken: nextToken,
  };
}

export function ModifyLaunchTemplate(
  world: World,
  input: ModifyLaunchTemplateRequest,
): ModifyLaunchTemplateResult {
  return idempotent(world, 'ModifyLaunchTemplate', input, () => {
    const template = named(world, input);
    if (input.DefaultVersion !== undefined) {
      template.defaultVersion = resolveVersion(template, input.DefaultVersion).version;
    }
    return { LaunchTemplate: templateShape(world, template) };
  });
}

export function DeleteLaunchTemplateVersions(
  world: World,
  input: DeleteLaunchTemplateVersionsRequest,
): DeleteLaunchTemplateVersionsResult {
  const template = named(world, input);
  const { id: LaunchTemplateId, name: LaunchTemplateName } = template;
  const succeeded: DeleteLaunchTemplateVersionsResult['SuccessfullyDeletedLaunchTemplateVersions'] = [];
  const failed: DeleteLaunchTemplateVersionsResult['UnsuccessfullyDeletedLaunchTemplateVersions'] = [];
  for (const text of input.Versions ?? []) {
    try {
      const { version: VersionNumber } = deleteVersion(template, text);
      succeeded.push({ LaunchTemplateId, LaunchTemplateName, VersionNumber });
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      const known = error.code === 'OperationNotPermitted';
      failed.push({
        LaunchTemplateId,
        LaunchTemplateName,
        VersionNumber: Number(text),
        ResponseError: {
          Code: known ? 'unexpectedError' : 'launchTemplateVersionDoesNotExist',
          Message: error.message,
        },
      });
    }
  }
  return {
    SuccessfullyDeletedLaunchTemplateVersions: succeeded,
    UnsuccessfullyDeletedLaunchTemplateVersions: failed,
  };
}

export function DeleteLaunchTemplate(
  world: World,
  input: DeleteLaunchTemplateRequest,
): DeleteLaunchTemplateResult {
  const template = named(world, input);
  deleteTemplate(world, template);
  return { LaunchTemplate: templateShape(world, template) };
}
