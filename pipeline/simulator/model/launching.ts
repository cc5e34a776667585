/**
 * From LaunchTemplateData (or the parameters of RunInstances, which have the same shape) to a launch request.
 */
import type { Json } from '../../json.ts';
import type { LaunchRequest } from './instances.ts';
import type { ImageDevice, Tags, TemplateData } from './state.ts';

type Parameters = Pick<
  LaunchRequest,
  | 'imageId'
  | 'instanceType'
  | 'keyName'
  | 'securityGroupIds'
  | 'devices'
  | 'userData'
  | 'shutdownBehavior'
  | 'terminationProtected'
  | 'tags'
  | 'volumeTags'
  | 'spot'
> & { subnetId: string | null };

/** EC2's default when nobody names an instance type. */
const defaultInstanceType = 'm1.small';

export function launchParameters(data: TemplateData): Parameters {
  const interfaces = objects(data.NetworkInterfaces);
  return {
    imageId: text(data.ImageId) ?? '',
    instanceType: text(data.InstanceType) ?? defaultInstanceType,
    keyName: text(data.KeyName),
    securityGroupIds: [...texts(data.SecurityGroupIds), ...interfaces.flatMap((item) => texts(item.Groups))],
    devices: deviceChanges(data.BlockDeviceMappings),
    userData: text(data.UserData),
    shutdownBehavior: data.InstanceInitiatedShutdownBehavior === 'terminate' ? 'terminate' : 'stop',
    terminationProtected: data.DisableApiTermination === true,
    tags: specifiedTags(data.TagSpecifications, 'instance'),
    volumeTags: specifiedTags(data.TagSpecifications, 'volume'),
    spot: objects([data.InstanceMarketOptions ?? null])[0]?.MarketType === 'spot',
    subnetId: text(data.SubnetId) ?? text(interfaces[0]?.SubnetId ?? null),
  };
}

/** BlockDeviceMappings in AWS's shape → the properties each names. */
export function deviceChanges(mappings: Json | undefined): Partial<ImageDevice>[] {
  return objects(mappings).flatMap((mapping) => {
    const device = text(mapping.DeviceName);
    if (device === null) return [];
    const [ebs = {}] = objects([mapping.Ebs ?? null]);
    const change: Partial<ImageDevice> = { device };
    if (typeof ebs.VolumeSize === 'number') change.sizeGiB = ebs.VolumeSize;
    if (typeof ebs.VolumeType === 'string') change.type = ebs.VolumeType;
    if (typeof ebs.Encrypted === 'boolean') change.encrypted = ebs.Encrypted;
    if (typeof ebs.DeleteOnTermination === 'boolean') change.deleteOnTermination = ebs.DeleteOnTermination;
    if (typeof ebs.SnapshotId === 'string') change.snapshotId = ebs.SnapshotId;
    return [change];
  });
}

/** The tags that TagSpecifications give to one type of resource. */
export function specifiedTags(specifications: Json | undefined, resourceType: string): Tags {
  const tags: Tags = {};
  for (const specification of objects(specifications)) {
    if (specification.ResourceType !== resourceType) continue;
    for (const tag of objects(specification.Tags)) {
      const key = text(tag.Key);
      if (key !== null) tags[key] = text(tag.Value) ?? '';
    }
  }
  return tags;
}

const text = (value: Json | undefined): string | null =>
  typeof value === 'string' && value !== '' ? value : null;
const texts = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
const objects = (value: Json | undefined): { [key: string]: Json }[] =>
  Array.isArray(value)
    ? value.filter((item): item is { [key: string]: Json } => typeof item === 'object' && item !== null)
    : [];
