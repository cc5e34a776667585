/** What of EC2 surrounds an instance: regions, zones, the one VPC, its subnets, security groups, key pairs. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import type {
  AuthorizeSecurityGroupIngressRequest,
  CreateKeyPairRequest,
  CreateSecurityGroupRequest,
  DeleteKeyPairRequest,
  DeleteSecurityGroupRequest,
  DescribeAvailabilityZonesRequest,
  DescribeAvailabilityZonesResult,
  DescribeKeyPairsRequest,
  DescribeKeyPairsResult,
  DescribeRegionsRequest,
  DescribeRegionsResult,
  DescribeSecurityGroupsRequest,
  DescribeSecurityGroupsResult,
  DescribeSubnetsRequest,
  DescribeSubnetsResult,
  DescribeVpcsRequest,
  DescribeVpcsResult,
  ImportKeyPairRequest,
  IpPermission,
  KeyPair as KeyPairShape,
} from '@aws-sdk/client-ec2';
import { ServiceError } from '../../model/errors.ts';
import { newId } from '../../model/identity.ts';
import { specifiedTags } from '../../model/launching.ts';
import type { KeyPair, SecurityGroup, World } from '../../model/state.ts';
import { filtered } from './filters.ts';
import { plain, tagList } from './shapes.ts';

export function DescribeRegions(world: World, input: DescribeRegionsRequest): DescribeRegionsResult {
  const names = input.RegionNames ?? [world.region];
  for (const name of names) {
    if (name !== world.region) {
      throw new ServiceError('InvalidParameterValue', `Invalid region provided: ${name}`);
    }
  }
  const [region] = filtered([{ name: world.region, tags: {} }], input.Filters, {
    'region-name': ({ name }) => [name],
    'opt-in-status': () => ['opt-in-not-required'],
  });
  if (!region) return { Regions: [] };
  return {
    Regions: [
      {
        RegionName: region.name,
        Endpoint: `ec2.${region.name}.amazonaws.com`,
        OptInStatus: 'opt-in-not-required',
      },
    ],
  };
}

export function DescribeAvailabilityZones(
  world: World,
  input: DescribeAvailabilityZonesRequest,
): DescribeAvailabilityZonesResult {
  const zones = world.subnets.map(({ zone }) => ({ name: zone, tags: {} }));
  const named = zones.filter(({ name }) => !input.ZoneNames || input.ZoneNames.includes(name));
  return {
    AvailabilityZones: filtered(named, input.Filters, {
      'zone-name': ({ name }) => [name],
      'region-name': () => [world.region],
      state: () => ['available'],
    }).map(({ name }) => ({
      ZoneName: name,
      ZoneId: `${world.region.replaceAll('-', '')}-az${name.charCodeAt(name.length - 1) - 96}`,
      RegionName: world.region,
      State: 'available',
      ZoneType: 'availability-zone',
      OptInStatus: 'opt-in-not-required',
      Messages: [],
    })),
  };
}

const vpcCidr = '10.0.0.0/8';

export function DescribeVpcs(world: World, input: DescribeVpcsRequest): DescribeVpcsResult {
  for (const id of input.VpcIds ?? []) {
    if (id !== world.vpcId) {
      throw new ServiceError('InvalidVpcID.NotFound', `The vpc ID '${id}' does not exist`);
    }
  }
  const vpcs = filtered([{ id: world.vpcId, tags: {} }], input.Filters, {
    'vpc-id': ({ id }) => [id],
    'is-default': () => ['true'],
    isDefault: () => ['true'],
    state: () => ['available'],
  });
  return {
    Vpcs: vpcs.map(({ id }) => ({
      VpcId: id,
      CidrBlock: vpcCidr,
      IsDefault: true,
      State: 'available',
      OwnerId: world.accountId,
      Tags: [],
    })),
  };
}

export function DescribeSubnets(world: World, input: DescribeSubnetsRequest): DescribeSubnetsResult {
  for (const id of input.SubnetIds ?? []) {
    if (!world.subnets.some((subnet) => subnet.id === id)) {
      throw new ServiceError('InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`);
    }
  }
  const named = world.subnets.filter(({ id }) => !input.SubnetIds || input.SubnetIds.includes(id));
  const subnets = filtered(
    named.map((subnet) => ({ ...subnet, tags: {} })),
    input.Filters,
    {
      'subnet-id': ({ id }) => [id],
      'vpc-id': () => [world.vpcId],
      'availability-zone': ({ zone }) => [zone],
      availabilityZone: ({ zone }) => [zone],
      'default-for-az': () => ['true'],
      defaultForAz: () => ['true'],
      state: () => ['available'],
    },
  );
  return {
    Subnets: subnets.map(({ id, zone, cidr }) => ({
      SubnetId: id,
      VpcId: world.vpcId,
      AvailabilityZone: zone,
      CidrBlock: cidr,
      AvailableIpAddressCount: 65_531,
      DefaultForAz: true,
      MapPublicIpOnLaunch: false,
      State: 'available',
      OwnerId: world.accountId,
      Tags: [],
    })),
  };
}

function findKeyPair(world: World, key: { name?: string | undefined; id?: string | undefined }): KeyPair {
  const found = Object.values(world.keyPairs).find((pair) => pair.name === key.name || pair.id === key.id);
  if (found) return found;
  const subject = key.name ?? key.id;
  throw new ServiceError('InvalidKeyPair.NotFound', `The key pair '${subject}' does not exist`);
}

function addKeyPair(world: World, pair: Omit<KeyPair, 'id' | 'createdAt'>): KeyPair {
  if (Object.values(world.keyPairs).some(({ name }) => name === pair.name)) {
    throw new ServiceError('InvalidKeyPair.Duplicate', `The keypair '${pair.name}' already exists.`);
  }
  const added: KeyPair = { ...pair, id: newId(world, 'key'), createdAt: world.now };
  world.keyPairs[added.id] = added;
  return added;
}

/** SHA-1 of the DER private key is what EC2 calls the fingerprint of a key it made. */
const fingerprint = (bytes: Uint8Array): string =>
  createHash('sha1').update(bytes).digest('hex').match(/../g)!.join(':');

const keyTags = (input: { TagSpecifications?: unknown[] | undefined }) =>
  specifiedTags(plain({ tags: input.TagSpecifications }).tags, 'key-pair');

export function CreateKeyPair(world: World, input: CreateKeyPairRequest): KeyPairShape {
  if (input.KeyType === 'ed25519') {
    throw new ServiceError('UnsupportedOperation', 'The simulated account makes RSA key pairs only.');
  }
  // A real key, because clients parse it and log in with it; the world keeps nothing of it but the fingerprint.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const der = privateKey.export({ type: 'pkcs8', format: 'der' });
  const pair = addKeyPair(world, {
    name: input.KeyName!,
    fingerprint: fingerprint(der),
    publicKey: null,
    tags: keyTags(input),
  });
  return {
    KeyName: pair.name,
    KeyPairId: pair.id,
    KeyFingerprint: pair.fingerprint,
    KeyMaterial: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    Tags: tagList(pair.tags),
  };
}

export function ImportKeyPair(world: World, input: ImportKeyPairRequest): object {
  const material = input.PublicKeyMaterial!;
  const pair = addKeyPair(world, {
    name: input.KeyName!,
    fingerprint: fingerprint(material),
    publicKey: Buffer.from(material).toString(),
    tags: keyTags(input),
  });
  return {
    KeyName: pair.name,
    KeyPairId: pair.id,
    KeyFingerprint: pair.fingerprint,
    Tags: tagList(pair.tags),
  };
}

export function DescribeKeyPairs(world: World, input: DescribeKeyPairsRequest): DescribeKeyPairsResult {
  const wanted = [
    ...(input.KeyNames ?? []).map((name) => findKeyPair(world, { name })),
    ...(input.KeyPairIds ?? []).map((id) => findKeyPair(world, { id })),
  ];
  const pairs = input.KeyNames || input.KeyPairIds ? wanted : Object.values(world.keyPairs);
  const matching = filtered(pairs, input.Filters, {
    'key-name': (pair) => [pair.name],
    'key-pair-id': (pair) => [pair.id],
    fingerprint: (pair) => [pair.fingerprint],
  });
  return {
    KeyPairs: matching.map((pair) => ({
      KeyName: pair.name,
      KeyPairId: pair.id,
      KeyFingerprint: pair.fingerprint,
      KeyType: 'rsa',
      CreateTime: new Date(pair.createdAt),
      PublicKey: input.IncludePublicKey ? (pair.publicKey ?? undefined) : undefined,
      Tags: tagList(pair.tags),
    })),
  };
}

/** Deleting a key pair that is not there succeeds, as in EC2. */
export function DeleteKeyPair(world: World, input: DeleteKeyPairRequest): object {
  const pair = Object.values(world.keyPairs).find(
    ({ name, id }) => name === input.KeyName || id === input.KeyPairId,
  );
  if (pair) delete world.keyPairs[pair.id];
  return { Return: true, KeyPairId: pair?.id };
}

function findSecurityGroup(
  world: World,
  key: { id?: string | undefined; name?: string | undefined },
): SecurityGroup {
  const found = Object.values(world.securityGroups).find(
    ({ id, name }) => id === key.id || name === key.name,
  );
  if (found) return found;
  throw new ServiceError(
    'InvalidGroup.NotFound',
    `The security group '${key.id ?? key.name}' does not exist`,
  );
}

export function CreateSecurityGroup(world: World, input: CreateSecurityGroupRequest): object {
  const name = input.GroupName!;
  if (Object.values(world.securityGroups).some((group) => group.name === name)) {
    throw new ServiceError('InvalidGroup.Duplicate', `The security group '${name}' already exists`);
  }
  // An empty id means the default VPC: Packer sends one.
  if (input.VpcId && input.VpcId !== world.vpcId) {
    throw new ServiceError('InvalidVpcID.NotFound', `The vpc ID '${input.VpcId}' does not exist`);
  }
  const group: SecurityGroup = {
    id: newId(world, 'sg'),
    name,
    description: input.Description!,
    vpcId: world.vpcId,
    ingress: [],
    tags: specifiedTags(plain({ tags: input.TagSpecifications }).tags, 'security-group'),
  };
  world.securityGroups[group.id] = group;
  return { GroupId: group.id, Tags: tagList(group.tags) };
}

export function DescribeSecurityGroups(
  world: World,
  input: DescribeSecurityGroupsRequest,
): DescribeSecurityGroupsResult {
  const wanted = [
    ...(input.GroupIds ?? []).map((id) => findSecurityGroup(world, { id })),
    ...(input.GroupNames ?? []).map((name) => findSecurityGroup(world, { name })),
  ];
  const groups = input.GroupIds || input.GroupNames ? wanted : Object.values(world.securityGroups);
  const matching = filtered(groups, input.Filters, {
    'group-id': (group) => [group.id],
    'group-name': (group) => [group.name],
    'vpc-id': (group) => [group.vpcId],
    description: (group) => [group.description],
  });
  return {
    SecurityGroups: matching.map((group) => ({
      GroupId: group.id,
      GroupName: group.name,
      Description: group.description,
      VpcId: group.vpcId,
      OwnerId: world.accountId,
      IpPermissions: group.ingress as IpPermission[],
      IpPermissionsEgress: [],
      Tags: tagList(group.tags),
    })),
  };
}

export function AuthorizeSecurityGroupIngress(
  world: World,
  input: AuthorizeSecurityGroupIngressRequest,
): { Return: boolean; SecurityGroupRules: [] } {
  const group = findSecurityGroup(world, { id: input.GroupId, name: input.GroupName });
  const single: IpPermission = {
    IpProtocol: input.IpProtocol,
    FromPort: input.FromPort,
    ToPort: input.ToPort,
    IpRanges: input.CidrIp === undefined ? [] : [{ CidrIp: input.CidrIp }],
  };
  const permissions = input.IpPermissions ?? (input.IpProtocol === undefined ? [] : [single]);
  group.ingress.push(...permissions.map(plain));
  return { Return: true, SecurityGroupRules: [] };
}

export function DeleteSecurityGroup(world: World, input: DeleteSecurityGroupRequest): object {
  const group = findSecurityGroup(world, { id: input.GroupId, name: input.GroupName });
  const user = Object.values(world.instances).find(
    ({ state, securityGroupIds }) => state !== 'terminated' && securityGroupIds.includes(group.id),
  );
  if (user) {
    throw new ServiceError('DependencyViolation', `resource ${group.id} has a dependent object`);
  }
  delete world.securityGroups[group.id];
  return { Return: true, GroupId: group.id };
}
