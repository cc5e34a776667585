/** EC2's operations on instances and volumes. */
import type {
  DescribeInstanceStatusRequest,
  DescribeInstanceStatusResult,
  DescribeInstancesRequest,
  DescribeInstancesResult,
  DescribeVolumesRequest,
  DescribeVolumesResult,
  Instance as InstanceShape,
  ModifyInstanceAttributeRequest,
  RebootInstancesRequest,
  RunInstancesRequest,
  StartInstancesRequest,
  StartInstancesResult,
  StopInstancesRequest,
  StopInstancesResult,
  TerminateInstancesRequest,
  TerminateInstancesResult,
} from '@aws-sdk/client-ec2';
import { timestamp } from '../../../clock.ts';
import { ServiceError } from '../../model/errors.ts';
import { newId } from '../../model/identity.ts';
import {
  findInstance,
  launch,
  mayBe,
  notFound,
  type Order,
  reboot,
  start,
  stop,
  terminate,
} from '../../model/instances.ts';
import { launchParameters } from '../../model/launching.ts';
import { isKnown } from '../../model/propagation.ts';
import type { Instance, World } from '../../model/state.ts';
import { findTemplate, resolveVersion } from '../../model/templates.ts';
import { idempotent } from '../../model/tokens.ts';
import { type Facets, filtered } from './filters.ts';
import { bySerial, page } from './pages.ts';
import { plain, tagList } from './shapes.ts';

const stateCodes = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
} as const;

const stateShape = (state: Instance['state']) => ({ Code: stateCodes[state], Name: state });

const facets: Facets<Instance> = {
  'instance-id': (instance) => [instance.id],
  'instance-state-name': (instance) => [instance.state],
  'instance-state-code': (instance) => [String(stateCodes[instance.state])],
  'instance-type': (instance) => [instance.instanceType],
  'image-id': (instance) => [instance.imageId],
  'availability-zone': (instance) => [instance.zone],
  'subnet-id': (instance) => [instance.subnetId],
  'private-ip-address': (instance) => [instance.privateAddress],
  'key-name': (instance) => [instance.keyName],
  'reservation-id': (instance) => [instance.reservationId],
  'instance.group-id': (instance) => instance.securityGroupIds,
  'network-interface.group-id': (instance) => instance.securityGroupIds,
};

/** @throws ServiceError when there is none, or the service does not know of it yet */
function knownInstance(world: World, id: string): Instance {
  const instance = findInstance(world, id);
  if (isKnown(world, id, instance.launchedAt)) return instance;
  throw notFound(id);
}

/** The instances a read asks for: by id (each must exist) or all, then filtered. */
function selected(
  world: World,
  ids: readonly string[] | undefined,
  filters: DescribeInstancesRequest['Filters'],
) {
  const named = ids?.length
    ? ids.map((id) => knownInstance(world, id))
    : Object.values(world.instances).filter(({ id, launchedAt }) => isKnown(world, id, launchedAt));
  return filtered(named, filters, {
    ...facets,
    'vpc-id': () => [world.vpcId],
    'owner-id': () => [world.accountId],
  });
}

function pageSize(ids: readonly string[] | undefined, maxResults: number | undefined): number {
  if (maxResults !== undefined && ids?.length) {
    throw new ServiceError(
      'InvalidParameterCombination',
      'The parameter instancesSet cannot be used with the parameter maxResults',
    );
  }
  if (maxResults !== undefined && maxResults !== 0 && (maxResults < 5 || maxResults > 1000)) {
    throw new ServiceError(
      'InvalidParameterValue',
      `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.`,
    );
  }
  // Without MaxResults the service may still page; 1000 is what it gives at most.
  return maxResults || 1000;
}

export function DescribeInstances(world: World, input: DescribeInstancesRequest): DescribeInstancesResult {
  const { items, nextToken } = page(selected(world, input.InstanceIds, input.Filters), bySerial, {
    token: input.NextToken,
    size: pageSize(input.InstanceIds, input.MaxResults),
  });
  const reservations = Map.groupBy(items, (instance) => instance.reservationId);
  return {
    Reservations: [...reservations].map(([ReservationId, members]) => ({
      ReservationId,
      OwnerId: world.accountId,
      Groups: [],
      Instances: members.map((instance, index) => instanceShape(world, instance, index)),
    })),
    NextToken: nextToken,
  };
}

function instanceShape(world: World, instance: Instance, launchIndex = 0): InstanceShape {
  const image = world.images[instance.imageId];
  const gone = instance.state === 'terminated';
  const groups = instance.securityGroupIds.map((id) => ({
    GroupId: id,
    GroupName: world.securityGroups[id]?.name ?? id,
  }));
  return {
    InstanceId: instance.id,
    ImageId: instance.imageId,
    State: stateShape(instance.state),
    StateReason: instance.stateReason
      ? { Code: instance.stateReason.code, Message: instance.stateReason.message }
      : undefined,
    StateTransitionReason: transitionReason(world, instance),
    InstanceType: instance.instanceType as InstanceShape['InstanceType'],
    LaunchTime: new Date(instance.launchedAt),
    InstanceLifecycle: instance.spot ? 'spot' : undefined,
    AmiLaunchIndex: launchIndex,
    ClientToken: instance.clientToken ?? '',
    Placement: { AvailabilityZone: instance.zone, GroupName: '', Tenancy: 'default' },
    Monitoring: { State: 'disabled' },
    ...(gone
      ? {}
      : {
          PrivateIpAddress: instance.privateAddress,
          PrivateDnsName: `ip-${instance.privateAddress.replaceAll('.', '-')}.${world.region}.compute.internal`,
          SubnetId: instance.subnetId,
          VpcId: world.vpcId,
        }),
    PublicDnsName: '',
    KeyName: instance.keyName ?? undefined,
    Architecture: (image?.architecture ?? 'x86_64') as InstanceShape['Architecture'],
    RootDeviceName: instance.rootDevice,
    RootDeviceType: 'ebs',
    VirtualizationType: 'hvm',
    Hypervisor: 'xen',
    EbsOptimized: false,
    EnaSupport: image?.enaSupport ?? true,
    SourceDestCheck: true,
    SecurityGroups: gone ? [] : groups,
    BlockDeviceMappings: instance.volumes.map(({ device, volumeId }) => ({
      DeviceName: device,
      Ebs: {
        VolumeId: volumeId,
        Status: 'attached' as const,
        AttachTime: new Date(instance.launchedAt),
        DeleteOnTermination: world.volumes[volumeId]?.deleteOnTermination ?? true,
      },
    })),
    NetworkInterfaces: [],
    ProductCodes: [],
    Tags: tagList(instance.tags),
    MetadataOptions: {
      State: 'applied',
      HttpTokens: image?.imdsSupport === 'v2.0' ? 'required' : 'optional',
      HttpPutResponseHopLimit: 1,
      HttpEndpoint: 'enabled',
    },
  };
}

/** 'User initiated (2026-01-01 00:00:00 GMT)', 'Server.SpotInstanceTermination: …'; empty while it runs by itself. */
function transitionReason({ clockOffsetMs }: World, { stateReason, checksSince }: Instance): string {
  if (!stateReason) return '';
  if (!stateReason.code.startsWith('Client.User')) return stateReason.message;
  const at = timestamp(checksSince + clockOffsetMs)
    .replace('T', ' ')
    .replace(/\..*/, '');
  return `User initiated (${at} GMT)`;
}

export function DescribeInstanceStatus(
  world: World,
  input: DescribeInstanceStatusRequest,
): DescribeInstanceStatusResult {
  const { InstanceIds, Filters, IncludeAllInstances } = input;
  const statusFacets = ['instance-status.status', 'system-status.status'];
  const byStatus = Filters?.filter(({ Name = '' }) => statusFacets.includes(Name));
  const others = Filters?.filter(({ Name = '' }) => !statusFacets.includes(Name));
  const instances = selected(world, InstanceIds, others).filter(
    (instance) =>
      (IncludeAllInstances === true || instance.state === 'running') &&
      (byStatus ?? []).every((filter) => filter.Values?.includes(instance.checks)),
  );
  const { items, nextToken } = page(instances, bySerial, {
    token: input.NextToken,
    size: pageSize(InstanceIds, input.MaxResults),
  });
  return {
    InstanceStatuses: items.map((instance) => {
      const reachability =
        instance.checks === 'ok' ? 'passed' : instance.checks === 'impaired' ? 'failed' : 'initializing';
      const summary = {
        Status: instance.checks,
        Details:
          instance.checks === 'not-applicable'
            ? []
            : [
                {
                  Name: 'reachability' as const,
                  Status: reachability as 'passed' | 'failed' | 'initializing',
                  ...(instance.checks === 'impaired' && { ImpairedSince: new Date(instance.checksSince) }),
                },
              ],
      };
      // A guest that fails leaves the host healthy: only instance reachability is impaired.
      const host = instance.checks === 'impaired' ? 'ok' : instance.checks;
      return {
        InstanceId: instance.id,
        AvailabilityZone: instance.zone,
        InstanceState: stateShape(instance.state),
        InstanceStatus: summary,
        SystemStatus: {
          Status: host,
          Details:
            host === 'not-applicable'
              ? []
              : [{ Name: 'reachability' as const, Status: host === 'ok' ? 'passed' : 'initializing' }],
        },
        Events: [],
      };
    }),
    NextToken: nextToken,
  };
}

export const RunInstances = (world: World, input: RunInstancesRequest) =>
  idempotent(world, 'RunInstances', input, () => {
    const { LaunchTemplate: reference, MinCount = 1, MaxCount = 1, ...given } = input;
    if (MinCount < 1 || MaxCount < MinCount) {
      throw new ServiceError(
        'InvalidParameterValue',
        `Value (${MaxCount}) for parameter maxCount is invalid.`,
      );
    }
    const template =
      reference &&
      findTemplate(world, { id: reference.LaunchTemplateId, name: reference.LaunchTemplateName });
    const data = template ? resolveVersion(template, reference.Version).data : {};
    const parameters = launchParameters({ ...data, ...plain(given) });
    if (parameters.imageId === '') {
      throw new ServiceError('MissingParameter', 'The request must contain the parameter ImageId');
    }
    // Packer sends an empty zone for none.
    const zone = given.Placement?.AvailabilityZone || undefined;
    const subnet = world.subnets.find((candidate) => zone === undefined || candidate.zone === zone);
    const { keyName } = parameters;
    if (keyName !== null && !Object.values(world.keyPairs).some((pair) => pair.name === keyName)) {
      throw new ServiceError('InvalidKeyPair.NotFound', `The key pair '${keyName}' does not exist`);
    }
    if (zone !== undefined && !subnet) {
      throw new ServiceError('InvalidParameterValue', `Invalid availability zone: [${zone}]`);
    }
    const reservationId = newId(world, 'r');
    const launched = Array.from({ length: MaxCount }, () =>
      launch(world, {
        ...parameters,
        subnetId: parameters.subnetId ?? subnet?.id ?? '',
        groupName: null,
        reservationId,
        clientToken: input.ClientToken ?? null,
        tags: { ...parameters.tags },
      }),
    );
    return {
      ReservationId: reservationId,
      OwnerId: world.accountId,
      Groups: [],
      Instances: launched.map((instance, index) => instanceShape(world, instance, index)),
    };
  });

/** All of them, or a refusal before any is changed: one that is not there, or not in a state for the order. */
function instancesFor(world: World, ids: readonly string[] | undefined, order: Order): Instance[] {
  const instances = (ids ?? []).map((id) => knownInstance(world, id));
  for (const instance of instances) mayBe(order, instance);
  return instances;
}

/** Applies a change of state to each instance and reports both states, as these operations do. */
function changeStates(instances: readonly Instance[], change: (instance: Instance) => void) {
  return instances.map((instance) => {
    const before = instance.state;
    change(instance);
    return {
      InstanceId: instance.id,
      PreviousState: stateShape(before),
      CurrentState: stateShape(instance.state),
    };
  });
}

export function TerminateInstances(world: World, input: TerminateInstancesRequest): TerminateInstancesResult {
  for (const id of input.InstanceIds ?? []) {
    if (findInstance(world, id).terminationProtected) {
      throw new ServiceError(
        'OperationNotPermitted',
        `The instance '${id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
      );
    }
  }
  const instances = (input.InstanceIds ?? []).map((id) => knownInstance(world, id));
  return { TerminatingInstances: changeStates(instances, (instance) => terminate(world, instance)) };
}

export const StopInstances = (world: World, input: StopInstancesRequest): StopInstancesResult => ({
  StoppingInstances: changeStates(instancesFor(world, input.InstanceIds, 'stopped'), (instance) =>
    stop(world, instance),
  ),
});

export const StartInstances = (world: World, input: StartInstancesRequest): StartInstancesResult => ({
  StartingInstances: changeStates(instancesFor(world, input.InstanceIds, 'started'), (instance) =>
    start(world, instance),
  ),
});

export function ModifyInstanceAttribute(world: World, input: ModifyInstanceAttributeRequest): object {
  const instance = knownInstance(world, input.InstanceId!);
  const { DisableApiTermination: protection, InstanceInitiatedShutdownBehavior: behavior } = input;
  if (protection?.Value !== undefined) instance.terminationProtected = protection.Value;
  if (behavior?.Value === 'stop' || behavior?.Value === 'terminate')
    instance.shutdownBehavior = behavior.Value;
  return {};
}

export function RebootInstances(world: World, input: RebootInstancesRequest): object {
  for (const instance of instancesFor(world, input.InstanceIds, 'rebooted')) reboot(world, instance);
  return {};
}

export function DescribeVolumes(world: World, input: DescribeVolumesRequest): DescribeVolumesResult {
  const volumes = input.VolumeIds?.length
    ? input.VolumeIds.map((id) => {
        const volume = world.volumes[id];
        if (volume) return volume;
        throw new ServiceError('InvalidVolume.NotFound', `The volume '${id}' does not exist.`);
      })
    : Object.values(world.volumes);
  const matching = filtered(volumes, input.Filters, {
    'volume-id': (volume) => [volume.id],
    'attachment.instance-id': (volume) => [volume.instanceId],
    'attachment.device': (volume) => [volume.device],
    status: (volume) => [volume.instanceId ? 'in-use' : 'available'],
    'snapshot-id': (volume) => [volume.snapshotId],
    encrypted: (volume) => [String(volume.encrypted)],
  });
  const size = input.MaxResults || 1000;
  const { items, nextToken } = page(matching, bySerial, { token: input.NextToken, size });
  return {
    Volumes: items.map((volume) => ({
      VolumeId: volume.id,
      Size: volume.sizeGiB,
      VolumeType: volume.type as 'gp3',
      Encrypted: volume.encrypted,
      AvailabilityZone: volume.zone,
      CreateTime: new Date(volume.createdAt),
      SnapshotId: volume.snapshotId ?? '',
      State: volume.instanceId ? 'in-use' : 'available',
      Attachments: volume.instanceId
        ? [
            {
              InstanceId: volume.instanceId,
              VolumeId: volume.id,
              Device: volume.device ?? '',
              State: 'attached',
              DeleteOnTermination: volume.deleteOnTermination,
              AttachTime: new Date(volume.createdAt),
            },
          ]
        : [],
      Tags: tagList(volume.tags),
    })),
    NextToken: nextToken,
  };
}
