/**
 * Machine images and the snapshots behind them. An image is pending until its snapshots are complete; names are
 * unique per account. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html and
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html
 */
import { ServiceError } from './errors.ts';
import { newId, nextSerial } from './identity.ts';
import { schedule } from './queue.ts';
import { bindFaults } from './standing.ts';
import type { Image, ImageDevice, Instance, Snapshot, Tags, World } from './state.ts';

export function findImage(world: World, id: string): Image {
  if (!/^ami-[0-9a-f]{8,17}$/.test(id)) {
    throw new ServiceError('InvalidAMIID.Malformed', `Invalid id: "${id}" (expecting "ami-...")`);
  }
  const image = world.images[id];
  if (!image) throw notFound(id);
  return image;
}

export const notFound = (id: string): ServiceError =>
  new ServiceError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);

export function findSnapshot(world: World, id: string): Snapshot {
  const snapshot = /^snap-[0-9a-f]{8,17}$/.test(id) ? world.snapshots[id] : undefined;
  if (!snapshot) throw new ServiceError('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
  return snapshot;
}

export type NewImage = Pick<Image, 'name'> & Partial<Omit<Image, 'id' | 'serial' | 'state' | 'createdAt'>>;

/** Registers an image, pending until `timing.imageMs` later. The next fault waiting for a new image takes it. */
export function addImage(world: World, request: NewImage): Image {
  const ownerId = request.ownerId ?? world.accountId;
  for (const other of Object.values(world.images)) {
    if (other.name === request.name && other.ownerId === ownerId) {
      throw new ServiceError(
        'InvalidAMIName.Duplicate',
        `AMI name ${request.name} is already in use by AMI ${other.id}`,
      );
    }
  }
  const image: Image = {
    description: '',
    ownerAlias: null,
    architecture: 'x86_64',
    rootDevice: '/dev/xvda',
    devices: [],
    isPublic: false,
    launchPermissions: [],
    imdsSupport: null,
    enaSupport: true,
    bootMode: null,
    sourceInstanceId: null,
    behaviour: null,
    tags: {},
    ...request,
    ownerId,
    id: newId(world, 'ami'),
    serial: nextSerial(world),
    state: 'pending',
    createdAt: world.now,
  };
  world.images[image.id] = image;
  bindFaults(world, image.id);
  schedule(world, world.timing.imageMs, { kind: 'image.available', id: image.id });
  return image;
}

/** The image is available and, with it, every snapshot it is made of complete. */
export function becomeAvailable(world: World, image: Image): void {
  image.state = 'available';
  for (const { snapshotId } of image.devices) {
    const snapshot = snapshotId === null ? undefined : world.snapshots[snapshotId];
    if (snapshot) snapshot.state = 'completed';
  }
}

/** One snapshot per volume of the instance, as CreateImage takes them. */
export function snapshotVolumes(
  world: World,
  instance: Instance,
  imageName: string,
  tags: Tags,
): ImageDevice[] {
  return instance.volumes.flatMap(({ device, volumeId }) => {
    const volume = world.volumes[volumeId];
    if (!volume) return [];
    const snapshot: Snapshot = {
      id: newId(world, 'snap'),
      serial: nextSerial(world),
      volumeId,
      sizeGiB: volume.sizeGiB,
      encrypted: volume.encrypted,
      startedAt: world.now,
      state: 'pending',
      description: `Created by CreateImage(${instance.id}) for ${imageName}`,
      tags: { ...tags },
    };
    world.snapshots[snapshot.id] = snapshot;
    return [
      {
        device,
        snapshotId: snapshot.id,
        sizeGiB: volume.sizeGiB,
        type: volume.type,
        encrypted: volume.encrypted,
        deleteOnTermination: volume.deleteOnTermination,
      },
    ];
  });
}

/** Instances launched from it live on; new launches fail. Its snapshots stay. */
export function deregisterImage(world: World, id: string): Image {
  const image = findImage(world, id);
  delete world.images[image.id];
  return image;
}

export function deleteSnapshot(world: World, id: string): void {
  const snapshot = findSnapshot(world, id);
  const user = Object.values(world.images).find((image) =>
    image.devices.some((device) => device.snapshotId === snapshot.id),
  );
  if (user) {
    throw new ServiceError(
      'InvalidSnapshot.InUse',
      `The snapshot ${snapshot.id} is currently in use by ${user.id}`,
    );
  }
  delete world.snapshots[snapshot.id];
}
