/** What creating and updating a group have in common: the settings a request gives, checked as the service checks them. */
import type { CreateAutoScalingGroupType, UpdateAutoScalingGroupType } from '@aws-sdk/client-auto-scaling';
import { validationError } from '../../model/errors.ts';
import type { MaintenancePolicy } from '../../model/group-state.ts';
import { type GroupSettings, terminationPolicies, usableTemplate } from '../../model/groups.ts';
import type { LaunchConfiguration } from '../../model/refresh-state.ts';
import type { World } from '../../model/state.ts';
import { plain } from './shapes.ts';

type Input = Partial<CreateAutoScalingGroupType> & Partial<UpdateAutoScalingGroupType>;

/** Members that were not given are not in the answer. */
export function readSettings(world: World, input: Input): Partial<GroupSettings> {
  const settings: Partial<GroupSettings> = {
    ...readLaunchConfiguration(world, input),
    ...readHealth(input),
  };
  if (input.VPCZoneIdentifier !== undefined || input.AvailabilityZones !== undefined) {
    Object.assign(settings, readPlaces(world, input.VPCZoneIdentifier, input.AvailabilityZones));
  }
  if (input.DefaultCooldown !== undefined) settings.cooldownMs = input.DefaultCooldown * 1000;
  if (input.DefaultInstanceWarmup !== undefined) {
    const { DefaultInstanceWarmup: seconds } = input;
    settings.warmUpMs = seconds === -1 ? null : seconds * 1000;
  }
  if (input.NewInstancesProtectedFromScaleIn !== undefined) {
    settings.newInstancesProtected = input.NewInstancesProtectedFromScaleIn;
  }
  if (input.CapacityRebalance !== undefined) settings.capacityRebalance = input.CapacityRebalance;
  if (input.TerminationPolicies !== undefined) {
    settings.terminationPolicies = readTerminationPolicies(input.TerminationPolicies);
  }
  const strategy = input.AvailabilityZoneDistribution?.CapacityDistributionStrategy;
  if (strategy === 'balanced-only' || strategy === 'balanced-best-effort') settings.zoneStrategy = strategy;
  else if (strategy !== undefined) {
    throw validationError(`CapacityDistributionStrategy ${strategy} is not simulated.`);
  }
  return settings;
}

function readHealth(input: Input): Partial<GroupSettings> {
  const settings: Partial<GroupSettings> = {};
  if (input.HealthCheckType !== undefined) {
    const unknown = input.HealthCheckType.split(',').filter((type) => !['EC2', 'ELB'].includes(type));
    if (unknown.length > 0) throw validationError(`Invalid health check type: ${unknown.join(',')}`);
    settings.healthCheckType = input.HealthCheckType;
  }
  if (input.HealthCheckGracePeriod !== undefined) {
    if (input.HealthCheckGracePeriod < 0) {
      throw validationError('HealthCheckGracePeriod must be greater than or equal to 0');
    }
    settings.healthCheckGraceMs = input.HealthCheckGracePeriod * 1000;
  }
  if (input.InstanceMaintenancePolicy) {
    settings.maintenance = readMaintenance(input.InstanceMaintenancePolicy);
  }
  return settings;
}

/** https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceMaintenancePolicy.html */
function readMaintenance(policy: NonNullable<Input['InstanceMaintenancePolicy']>): MaintenancePolicy | null {
  const { MinHealthyPercentage: min, MaxHealthyPercentage: max } = policy;
  if (min === -1 && max === -1) return null;
  const isWithin = (value: number | undefined, least: number, most: number): value is number =>
    value !== undefined && value >= least && value <= most;
  if (!isWithin(min, 0, 100) || !isWithin(max, 100, 200) || max - min > 100) {
    throw validationError(
      'Both MinHealthyPercentage (0 to 100) and MaxHealthyPercentage (100 to 200) must be specified, and the difference between them cannot be greater than 100.',
    );
  }
  return { minHealthyPercent: min, maxHealthyPercent: max };
}

/** "If you use the Default termination policy, make it the last one in the list" */
function readTerminationPolicies(policies: string[]): string[] {
  for (const policy of policies) {
    if (policy.startsWith('arn:')) {
      throw validationError(`Termination policies by a Lambda function are not simulated: ${policy}`);
    }
    if (!terminationPolicies.some((known) => known === policy)) {
      throw validationError(`Invalid termination policy: ${policy}`);
    }
  }
  if (policies.slice(0, -1).includes('Default')) {
    throw validationError('The Default termination policy must be the last of the list.');
  }
  return policies.length > 0 ? policies : ['Default'];
}

/** Template or mixed instances policy, each of which takes the other's place; nothing when neither is given. */
export function readLaunchConfiguration(
  world: World,
  input: Pick<CreateAutoScalingGroupType, 'LaunchTemplate' | 'MixedInstancesPolicy'>,
): Partial<LaunchConfiguration> {
  if (input.LaunchTemplate && input.MixedInstancesPolicy) {
    throw validationError(
      'Valid requests must contain either LaunchTemplate or MixedInstancesPolicy, not both.',
    );
  }
  if (input.LaunchTemplate) {
    const { LaunchTemplateId: id, LaunchTemplateName: name, Version: version } = input.LaunchTemplate;
    return { template: usableTemplate(world, { id, name, version }), mixedInstances: null };
  }
  if (input.MixedInstancesPolicy) {
    return { template: null, mixedInstances: readMixedInstances(world, input.MixedInstancesPolicy) };
  }
  return {};
}

export function readPlaces(
  world: World,
  subnetList: string | undefined,
  zoneNames: readonly string[] | undefined,
): { zones: string[]; subnetIds: string[] } {
  const ids = (subnetList ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const subnets =
    ids.length > 0
      ? ids.map((id) => {
          const subnet = world.subnets.find((candidate) => candidate.id === id);
          if (subnet) return subnet;
          throw validationError(`The subnet ID '${id}' does not exist`);
        })
      : (zoneNames ?? []).map((zone) => {
          const subnet = world.subnets.find((candidate) => candidate.zone === zone);
          if (subnet) return subnet;
          throw validationError(`Invalid availability zones: [${zone}]`);
        });
  if (subnets.length === 0) {
    throw validationError('At least one Availability Zone or VPC Subnet is required.');
  }
  return { zones: [...new Set(subnets.map(({ zone }) => zone))], subnetIds: subnets.map(({ id }) => id) };
}

type MixedPolicy = NonNullable<CreateAutoScalingGroupType['MixedInstancesPolicy']>;

/** Checks every template the policy names and writes each with id and name, as the service gives it back. */
function readMixedInstances(world: World, policy: MixedPolicy) {
  const resolve = (reference: NonNullable<MixedPolicy['LaunchTemplate']>['LaunchTemplateSpecification']) => {
    const { id, name, version } = usableTemplate(world, {
      id: reference?.LaunchTemplateId,
      name: reference?.LaunchTemplateName,
      version: reference?.Version,
    });
    return { LaunchTemplateId: id, LaunchTemplateName: name, Version: version };
  };
  const { LaunchTemplateSpecification: main, Overrides = [] } = policy.LaunchTemplate ?? {};
  for (const { WeightedCapacity, InstanceRequirements } of Overrides) {
    if (WeightedCapacity !== undefined) throw validationError('WeightedCapacity is not simulated.');
    if (InstanceRequirements !== undefined) throw validationError('InstanceRequirements are not simulated.');
  }
  checkDistribution(policy.InstancesDistribution);
  return plain({
    ...policy,
    LaunchTemplate: {
      LaunchTemplateSpecification: resolve(main),
      Overrides: Overrides.map((override) => ({
        ...override,
        ...(override.LaunchTemplateSpecification && {
          LaunchTemplateSpecification: resolve(override.LaunchTemplateSpecification),
        }),
      })),
    },
  });
}

function checkDistribution(distribution: MixedPolicy['InstancesDistribution']): void {
  const { OnDemandBaseCapacity: base = 0, OnDemandPercentageAboveBaseCapacity: percent = 100 } =
    distribution ?? {};
  if (base < 0) throw validationError('OnDemandBaseCapacity must be greater than or equal to 0');
  if (percent < 0 || percent > 100) {
    throw validationError('OnDemandPercentageAboveBaseCapacity must be between 0 and 100');
  }
}
