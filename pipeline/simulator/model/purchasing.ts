/**
 * From which template, as which instance type and on which market a group launches next. Prices and spot capacity are
 * not part of this world, so every allocation strategy takes the overrides in their order.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-mixed-instances-groups.html
 * https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstancesDistribution.html
 */
import type { Json } from '../../json.ts';
import type { LaunchConfiguration } from './refresh-state.ts';
import type { Group, Member, TemplateData } from './state.ts';

/** One way to launch; the template is resolved when it is tried, because it may be gone by then. */
export interface LaunchOption {
  templateId: string | undefined;
  version: string | undefined;
  /** Null: the template's. */
  instanceType: string | null;
}

interface TemplateSpecification {
  LaunchTemplateId?: string;
  Version?: string;
}

interface MixedTemplate {
  LaunchTemplateSpecification?: TemplateSpecification;
  Overrides?: { InstanceType?: string; LaunchTemplateSpecification?: TemplateSpecification }[];
}

const mixedTemplate = (policy: TemplateData): MixedTemplate => (policy.LaunchTemplate ?? {}) as MixedTemplate;

/** First to last in the order they are tried; an override may name a template of its own. */
export function launchOptions({ template, mixedInstances }: LaunchConfiguration): LaunchOption[] {
  if (!mixedInstances) return [{ templateId: template?.id, version: template?.version, instanceType: null }];
  const { LaunchTemplateSpecification: main, Overrides } = mixedTemplate(mixedInstances);
  const overrides = Overrides?.length ? Overrides : [{}];
  return overrides.map((override) => {
    const specification = override.LaunchTemplateSpecification ?? main;
    return {
      templateId: specification?.LaunchTemplateId,
      version: specification?.Version,
      instanceType: override.InstanceType ?? null,
    };
  });
}

/** Place of an instance type in the order of preference; types that are not in it come last. */
export function preferenceOf(group: Group, instanceType: string): number {
  if (!group.mixedInstances) return 0;
  const types = (mixedTemplate(group.mixedInstances).Overrides ?? []).map(({ InstanceType }) => InstanceType);
  return types.includes(instanceType) ? types.indexOf(instanceType) : types.length;
}

/** Members on each market. */
interface Markets {
  onDemand: number;
  spot: number;
}

export function marketsOf(members: Iterable<Member>): Markets {
  const markets = { onDemand: 0, spot: 0 };
  for (const member of members) addToMarket(markets, member);
  return markets;
}

const marketOf = ({ spot }: Pick<Member, 'spot'>): keyof Markets => (spot ? 'spot' : 'onDemand');

export const addToMarket = (markets: Markets, member: Member): void => {
  markets[marketOf(member)] += 1;
};

function distributionOf(policy: TemplateData): { base: number; percent: number } {
  const distribution = (policy.InstancesDistribution ?? {}) as { [key: string]: Json };
  return {
    base: numberOr(distribution.OnDemandBaseCapacity, 0),
    percent: numberOr(distribution.OnDemandPercentageAboveBaseCapacity, 100),
  };
}

const numberOr = (value: Json | undefined, fallback: number): number =>
  typeof value === 'number' ? value : fallback;

/** Whether instances of the group may come from the spot market by its policy. */
export const usesSpot = ({ mixedInstances }: LaunchConfiguration): boolean =>
  mixedInstances !== null && distributionOf(mixedInstances).percent < 100;

/**
 * How many of `total` instances are On-Demand: the base first, and its percentage of the rest, where a fraction goes
 * to On-Demand.
 */
function onDemandOf(policy: TemplateData, total: number): number {
  const { base, percent } = distributionOf(policy);
  const above = Math.max(0, total - base);
  return Math.min(total, base) + Math.ceil((above * percent) / 100);
}

/** Whether the policy wants the next instance from the spot market; null when there is no policy. */
export function nextIsSpot({ mixedInstances }: LaunchConfiguration, markets: Markets): boolean | null {
  if (!mixedInstances) return null;
  return markets.onDemand >= onDemandOf(mixedInstances, markets.onDemand + markets.spot + 1);
}

/** "first it identifies which of the two types (Spot or On-Demand) should be terminated"; null when there is no policy. */
export function nextToGoIsSpot({ mixedInstances }: LaunchConfiguration, markets: Markets): boolean | null {
  if (!mixedInstances) return null;
  return markets.onDemand <= onDemandOf(mixedInstances, markets.onDemand + markets.spot - 1);
}
