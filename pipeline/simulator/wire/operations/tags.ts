/** EC2's operations on tags, whatever they are attached to. */
import type {
  CreateTagsRequest,
  DeleteTagsRequest,
  DescribeTagsRequest,
  DescribeTagsResult,
  TagDescription,
} from '@aws-sdk/client-ec2';
import { ServiceError } from '../../model/errors.ts';
import type { Tags, World } from '../../model/state.ts';
import { filtered } from './filters.ts';
import { page } from './pages.ts';
import { tagRecord } from './shapes.ts';

/** "Maximum number of tags per resource: 50." */
const tagsPerResource = 50;

interface Tagged {
  id: string;
  tags: Tags;
}

const stores = (
  world: World,
): { prefix: string; type: string; all: Record<string, Tagged>; notFound: string }[] => [
  { prefix: 'i-', type: 'instance', all: world.instances, notFound: 'InvalidInstanceID.NotFound' },
  { prefix: 'ami-', type: 'image', all: world.images, notFound: 'InvalidAMIID.NotFound' },
  { prefix: 'snap-', type: 'snapshot', all: world.snapshots, notFound: 'InvalidSnapshot.NotFound' },
  { prefix: 'vol-', type: 'volume', all: world.volumes, notFound: 'InvalidVolume.NotFound' },
  {
    prefix: 'lt-',
    type: 'launch-template',
    all: world.templates,
    notFound: 'InvalidLaunchTemplateId.NotFound',
  },
  { prefix: 'key-', type: 'key-pair', all: world.keyPairs, notFound: 'InvalidKeyPair.NotFound' },
  { prefix: 'sg-', type: 'security-group', all: world.securityGroups, notFound: 'InvalidGroup.NotFound' },
];

function findTagged(world: World, id: string): Tagged {
  const store = stores(world).find(({ prefix }) => id.startsWith(prefix));
  if (!store) throw new ServiceError('InvalidID', `The ID '${id}' is not valid`);
  const found = store.all[id];
  if (!found) throw new ServiceError(store.notFound, `The ${store.type} ID '${id}' does not exist`);
  return found;
}

export function CreateTags(world: World, input: CreateTagsRequest): object {
  const resources = (input.Resources ?? []).map((id) => findTagged(world, id));
  const tags = tagRecord(input.Tags);
  for (const key of Object.keys(tags)) {
    if (key.startsWith('aws:')) {
      throw new ServiceError(
        'InvalidParameterValue',
        `Tag keys starting with 'aws:' are reserved for internal use`,
      );
    }
  }
  for (const resource of resources) {
    if (Object.keys({ ...resource.tags, ...tags }).length > tagsPerResource) {
      throw new ServiceError(
        'TagLimitExceeded',
        `You have exceeded the number of tags allowed per resource.`,
      );
    }
  }
  for (const resource of resources) Object.assign(resource.tags, tags);
  return {};
}

/** A tag given with a value goes only if it has that value; no tags at all means all of them. */
export function DeleteTags(world: World, input: DeleteTagsRequest): object {
  const resources = (input.Resources ?? []).map((id) => findTagged(world, id));
  for (const { tags } of resources) {
    const doomed = input.Tags ?? Object.keys(tags).map((Key) => ({ Key, Value: undefined }));
    for (const { Key: key = '', Value: value } of doomed) {
      if (key.startsWith('aws:')) continue;
      if (value === undefined || tags[key] === value) delete tags[key];
    }
  }
  return {};
}

export function DescribeTags(world: World, input: DescribeTagsRequest): DescribeTagsResult {
  const rows = stores(world).flatMap(({ type, all }) =>
    Object.values(all).flatMap((resource) =>
      Object.entries(resource.tags).map(([Key, Value]) => ({
        ResourceId: resource.id,
        ResourceType: type as TagDescription['ResourceType'],
        Key,
        Value,
        tags: { [Key]: Value },
      })),
    ),
  );
  const matching = filtered(rows, input.Filters, {
    key: (row) => [row.Key],
    value: (row) => [row.Value],
    'resource-id': (row) => [row.ResourceId],
    'resource-type': (row) => [row.ResourceType],
  });
  const { items, nextToken } = page(matching, (row) => `${row.ResourceId} ${row.Key}`, {
    token: input.NextToken,
    size: input.MaxResults || 1000,
  });
  return {
    Tags: items.map(({ tags: _, ...description }) => description),
    NextToken: nextToken,
  };
}
