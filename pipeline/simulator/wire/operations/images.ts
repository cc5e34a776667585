/** EC2's operations on images and snapshots. */
import type {
  CreateImageRequest,
  CreateImageResult,
  DeleteSnapshotRequest,
  DeregisterImageRequest,
  DescribeImageAttributeRequest,
  DescribeImagesRequest,
  DescribeImagesResult,
  DescribeSnapshotsRequest,
  DescribeSnapshotsResult,
  Image as ImageShape,
  ModifyImageAttributeRequest,
  RegisterImageRequest,
  RegisterImageResult,
} from '@aws-sdk/client-ec2';
import { timestamp } from '../../../clock.ts';
import { ServiceError } from '../../model/errors.ts';
import {
  addImage,
  deleteSnapshot,
  deregisterImage,
  findImage,
  findSnapshot,
  notFound,
  snapshotVolumes,
} from '../../model/images.ts';
import { findInstance, reboot } from '../../model/instances.ts';
import { deviceChanges, specifiedTags } from '../../model/launching.ts';
import { isKnown } from '../../model/propagation.ts';
import type { Image, ImageDevice, Snapshot, World } from '../../model/state.ts';
import { type Facets, filtered } from './filters.ts';
import { bySerial, page } from './pages.ts';
import { plain, tagList } from './shapes.ts';

const facets: Facets<Image> = {
  'image-id': (image) => [image.id],
  name: (image) => [image.name],
  description: (image) => [image.description],
  state: (image) => [image.state],
  architecture: (image) => [image.architecture],
  'owner-id': (image) => [image.ownerId],
  'owner-alias': (image) => [image.ownerAlias],
  'root-device-type': () => ['ebs'],
  'root-device-name': (image) => [image.rootDevice],
  'virtualization-type': () => ['hvm'],
  hypervisor: () => ['xen'],
  'image-type': () => ['machine'],
  'is-public': (image) => [String(image.isPublic)],
  'ena-support': (image) => [String(image.enaSupport)],
  'block-device-mapping.snapshot-id': (image) => image.devices.map((device) => device.snapshotId),
  'block-device-mapping.volume-type': (image) => image.devices.map((device) => device.type),
};

export function DescribeImages(world: World, input: DescribeImagesRequest): DescribeImagesResult {
  const ids = input.ImageIds ?? [];
  const known = (image: Image): boolean => isKnown(world, image.id, image.createdAt);
  const named = ids.map((id) => findImage(world, id));
  const unknown = named.find((image) => !known(image));
  if (unknown) throw notFound(unknown.id);
  const images = ids.length ? named : Object.values(world.images).filter(known);
  // No image is ever deprecated here, so both answers to IncludeDeprecated are the same.
  void input.IncludeDeprecated;
  const owned = images.filter((image) => ownedBy(world, image, input.Owners));
  const { items, nextToken } = page(filtered(owned, input.Filters, facets), bySerial, {
    token: input.NextToken,
    size: input.MaxResults || 1000,
  });
  return { Images: items.map(imageShape), NextToken: nextToken };
}

const ownedBy = (world: World, image: Image, owners: readonly string[] | undefined): boolean =>
  !owners?.length ||
  owners.some((owner) =>
    owner === 'self'
      ? image.ownerId === world.accountId
      : owner === image.ownerId || owner === image.ownerAlias,
  );

const imageShape = (image: Image): ImageShape => ({
  ImageId: image.id,
  Name: image.name,
  Description: image.description,
  State: image.state,
  OwnerId: image.ownerId,
  ImageOwnerAlias: image.ownerAlias ?? undefined,
  ImageLocation: `${image.ownerId}/${image.name}`,
  CreationDate: timestamp(image.createdAt),
  Public: image.isPublic,
  ImageType: 'machine',
  Architecture: image.architecture as ImageShape['Architecture'],
  PlatformDetails: 'Linux/UNIX',
  UsageOperation: 'RunInstances',
  RootDeviceName: image.rootDevice,
  RootDeviceType: 'ebs',
  VirtualizationType: 'hvm',
  Hypervisor: 'xen',
  EnaSupport: image.enaSupport,
  ImdsSupport: image.imdsSupport === 'v2.0' ? 'v2.0' : undefined,
  BootMode: (image.bootMode ?? undefined) as ImageShape['BootMode'],
  SourceInstanceId: image.sourceInstanceId ?? undefined,
  ProductCodes: [],
  BlockDeviceMappings: image.devices.map((device) => ({
    DeviceName: device.device,
    Ebs: {
      // While an image is pending, EC2 does not yet name the snapshots of its devices.
      SnapshotId: image.state === 'available' ? (device.snapshotId ?? undefined) : undefined,
      VolumeSize: device.sizeGiB,
      VolumeType: device.type as 'gp3',
      Encrypted: device.encrypted,
      DeleteOnTermination: device.deleteOnTermination,
    },
  })),
  Tags: tagList(image.tags),
});

export function RegisterImage(world: World, input: RegisterImageRequest): RegisterImageResult {
  const devices = deviceChanges(plain({ mappings: input.BlockDeviceMappings }).mappings).map(
    (change): ImageDevice => {
      const snapshot = change.snapshotId == null ? null : findSnapshot(world, change.snapshotId);
      return {
        device: change.device ?? '',
        snapshotId: snapshot?.id ?? null,
        sizeGiB: change.sizeGiB ?? snapshot?.sizeGiB ?? 8,
        type: change.type ?? 'gp2',
        encrypted: snapshot?.encrypted ?? change.encrypted ?? false,
        deleteOnTermination: change.deleteOnTermination ?? true,
      };
    },
  );
  const image = addImage(world, {
    name: input.Name!,
    description: input.Description ?? '',
    architecture: input.Architecture ?? 'i386',
    rootDevice: input.RootDeviceName ?? devices[0]?.device ?? '/dev/sda1',
    devices,
    imdsSupport: input.ImdsSupport ?? null,
    enaSupport: input.EnaSupport ?? false,
    bootMode: input.BootMode ?? null,
    tags: specifiedTags(plain({ tags: input.TagSpecifications }).tags, 'image'),
  });
  return { ImageId: image.id };
}

/** "By default, Amazon EC2 attempts to shut down and reboot the instance before creating the image." */
export function CreateImage(world: World, input: CreateImageRequest): CreateImageResult {
  const instance = findInstance(world, input.InstanceId!);
  if (!['running', 'stopped', 'stopping'].includes(instance.state)) {
    throw new ServiceError(
      'IncorrectInstanceState',
      `The instance '${instance.id}' is not in a state from which it can be imaged.`,
    );
  }
  const source = world.images[instance.imageId];
  const specifications = plain({ tags: input.TagSpecifications }).tags;
  const image = addImage(world, {
    name: input.Name!,
    description: input.Description ?? '',
    architecture: source?.architecture ?? 'x86_64',
    rootDevice: instance.rootDevice,
    imdsSupport: source?.imdsSupport ?? null,
    enaSupport: source?.enaSupport ?? true,
    bootMode: source?.bootMode ?? null,
    sourceInstanceId: instance.id,
    tags: specifiedTags(specifications, 'image'),
  });
  image.devices = snapshotVolumes(world, instance, image.id, specifiedTags(specifications, 'snapshot'));
  if (instance.state === 'running' && input.NoReboot !== true) reboot(world, instance);
  return { ImageId: image.id };
}

export function DeregisterImage(world: World, input: DeregisterImageRequest): { Return: boolean } {
  const image = deregisterImage(world, input.ImageId!);
  if (input.DeleteAssociatedSnapshots === true) {
    for (const { snapshotId } of image.devices) if (snapshotId) deleteSnapshot(world, snapshotId);
  }
  return { Return: true };
}

export function ModifyImageAttribute(world: World, input: ModifyImageAttributeRequest): object {
  const image = findImage(world, input.ImageId!);
  const { LaunchPermission: change, Description: description, ImdsSupport: imds, Attribute, Value } = input;
  if (description?.Value !== undefined) image.description = description.Value;
  if (Attribute === 'description' && Value !== undefined) image.description = Value;
  if (imds?.Value !== undefined) image.imdsSupport = imds.Value;
  const added = [...(change?.Add ?? []).map((item) => item.UserId), ...(input.UserIds ?? [])];
  const removed = (change?.Remove ?? []).map((item) => item.UserId);
  const permissions = new Set(image.launchPermissions);
  for (const user of added) if (user) permissions.add(user);
  for (const user of removed) if (user) permissions.delete(user);
  image.launchPermissions = [...permissions];
  if (change?.Add?.some((item) => item.Group === 'all')) image.isPublic = true;
  if (change?.Remove?.some((item) => item.Group === 'all')) image.isPublic = false;
  return {};
}

export function DescribeImageAttribute(world: World, input: DescribeImageAttributeRequest): object {
  const image = findImage(world, input.ImageId!);
  const answer = { ImageId: image.id };
  switch (input.Attribute) {
    case 'launchPermission':
      return { ...answer, LaunchPermissions: image.launchPermissions.map((UserId) => ({ UserId })) };
    case 'description':
      return { ...answer, Description: { Value: image.description } };
    case 'imdsSupport':
      return { ...answer, ImdsSupport: { Value: image.imdsSupport ?? undefined } };
    default:
      throw new ServiceError(
        'InvalidParameterValue',
        `Value (${input.Attribute}) for parameter attribute is invalid.`,
      );
  }
}

const snapshotFacets: Facets<Snapshot> = {
  'snapshot-id': (snapshot) => [snapshot.id],
  'volume-id': (snapshot) => [snapshot.volumeId],
  status: (snapshot) => [snapshot.state],
  description: (snapshot) => [snapshot.description],
  encrypted: (snapshot) => [String(snapshot.encrypted)],
};

export function DescribeSnapshots(world: World, input: DescribeSnapshotsRequest): DescribeSnapshotsResult {
  const ids = input.SnapshotIds ?? [];
  const own = !input.OwnerIds?.length || input.OwnerIds.some((id) => id === 'self' || id === world.accountId);
  const all = ids.length ? ids.map((id) => findSnapshot(world, id)) : Object.values(world.snapshots);
  const { items, nextToken } = page(filtered(own ? all : [], input.Filters, snapshotFacets), bySerial, {
    token: input.NextToken,
    size: input.MaxResults || 1000,
  });
  return {
    Snapshots: items.map((snapshot) => ({
      SnapshotId: snapshot.id,
      VolumeId: snapshot.volumeId,
      VolumeSize: snapshot.sizeGiB,
      Encrypted: snapshot.encrypted,
      Description: snapshot.description,
      StartTime: new Date(snapshot.startedAt),
      State: snapshot.state,
      Progress: snapshot.state === 'completed' ? '100%' : '0%',
      OwnerId: world.accountId,
      StorageTier: 'standard',
      Tags: tagList(snapshot.tags),
    })),
    NextToken: nextToken,
  };
}

export function DeleteSnapshot(world: World, input: DeleteSnapshotRequest): object {
  deleteSnapshot(world, input.SnapshotId!);
  return {};
}
