/** Auto Scaling's operations on the tags of groups. */
import type {
  CreateOrUpdateTagsType,
  DeleteTagsType,
  DescribeTagsType,
  Tag,
  TagsType,
} from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import { findGroup } from '../../model/groups.ts';
import type { Group, World } from '../../model/state.ts';
import { filtered } from './filters.ts';
import { page } from './pages.ts';
import { groupTagShapes, readGroupTags, recordLimit } from './scaling-shapes.ts';

/** Every tag with the group it names; all groups are looked up before anything changes. */
function byGroup(world: World, tags: readonly Tag[] | undefined): { group: Group; tag: Tag }[] {
  return (tags ?? []).map((tag) => {
    if (tag.ResourceType !== undefined && tag.ResourceType !== 'auto-scaling-group') {
      throw validationError(`Invalid resource type: ${tag.ResourceType}`);
    }
    return { group: findGroup(world, tag.ResourceId ?? ''), tag };
  });
}

export function CreateOrUpdateTags(world: World, input: CreateOrUpdateTagsType): object {
  for (const { group, tag } of byGroup(world, input.Tags)) Object.assign(group.tags, readGroupTags([tag]));
  return {};
}

export function DeleteTags(world: World, input: DeleteTagsType): object {
  for (const { group, tag } of byGroup(world, input.Tags)) delete group.tags[tag.Key ?? ''];
  return {};
}

export function DescribeTags(world: World, input: DescribeTagsType): TagsType {
  const rows = Object.values(world.groups)
    .flatMap(groupTagShapes)
    .map((shape) => ({ shape, tags: {} }));
  const matching = filtered(rows, input.Filters, {
    'auto-scaling-group': ({ shape }) => [shape.ResourceId],
    key: ({ shape }) => [shape.Key],
    value: ({ shape }) => [shape.Value],
    'propagate-at-launch': ({ shape }) => [String(shape.PropagateAtLaunch)],
  });
  const { items, nextToken } = page(matching, ({ shape }) => `${shape.ResourceId} ${shape.Key}`, {
    token: input.NextToken,
    size: recordLimit(input.MaxRecords),
  });
  return { Tags: items.map(({ shape }) => shape), NextToken: nextToken };
}
