/** Launches one instance into a group or its warm pool; the scaling activity says how that went. */
import { begin, end } from './activities.ts';
import { ServiceError } from './errors.ts';
import * as instances from './instances.ts';
import { launchParameters } from './launching.ts';
import { newMember } from './members.ts';
import { emptiestFirst, type Spread } from './placement.ts';
import { addToMarket, type LaunchOption, launchOptions, marketsOf, nextIsSpot } from './purchasing.ts';
import { configurationOf } from './refresh-state.ts';
import type { Activity, Group, Member, Subnet, World } from './state.ts';
import { findTemplate, resolveVersion } from './templates.ts';

interface LaunchOrder {
  option: LaunchOption;
  /** Null: as the template says. */
  spot: boolean | null;
  zone: string;
  cause: string;
  into: 'group' | 'warm pool';
}

/** Throws ServiceError as the launch does; the failed activity carries its message, as it does on AWS. */
export function launchMember(world: World, group: Group, order: LaunchOrder): Member {
  const { zone } = order;
  const subnet = subnetIn(world, group, zone);
  const activity = begin(world, group, {
    description: `Launching a new EC2 instance${order.into === 'group' ? '' : ' into warm pool'}`,
    cause: order.cause,
    status: 'PreInService',
    zone,
    subnetId: subnet?.id ?? null,
  });
  try {
    const member = launch(world, group, order, subnet, activity);
    const members = order.into === 'group' ? group.members : (group.warmPool?.members ?? {});
    members[member.instanceId] = member;
    return member;
  } catch (error) {
    if (error instanceof ServiceError) {
      end(world, activity, 'Failed', `${error.message.replace(/\.$/, '')}. Launching EC2 instance failed.`);
    }
    throw error;
  }
}

function launch(
  world: World,
  group: Group,
  order: LaunchOrder,
  subnet: Subnet | undefined,
  activity: Activity,
): Member {
  const { option, into } = order;
  const template = findTemplate(world, { id: option.templateId });
  const { version, data } = resolveVersion(template, option.version);
  const parameters = launchParameters({
    ...data,
    ...(option.instanceType && { InstanceType: option.instanceType }),
  });
  const instance = instances.launch(world, {
    ...parameters,
    subnetId: subnet?.id ?? '',
    spot: order.spot ?? parameters.spot,
    groupName: group.name,
    tags: {
      ...parameters.tags,
      ...propagatedTags(group),
      'aws:autoscaling:groupName': group.name,
      'aws:ec2launchtemplate:id': template.id,
      'aws:ec2launchtemplate:version': String(version),
    },
  });
  activity.description += `: ${instance.id}`;
  activity.progress = 30;
  return newMember(world, instance, {
    lifecycle: into === 'group' ? 'Pending' : 'Warmed:Pending',
    protectedFromScaleIn: group.newInstancesProtected && into === 'group',
    template: { id: template.id, name: template.name, version: String(version) },
    activity: activity.serial,
  });
}

/** "If there are multiple subnets chosen for the Availability Zone, [it] selects a subnet ... at random." */
function subnetIn(world: World, group: Group, zone: string): Subnet | undefined {
  const subnets = world.subnets.filter(
    (subnet) => subnet.zone === zone && group.subnetIds.includes(subnet.id),
  );
  return subnets[world.serial % subnets.length];
}

const propagatedTags = (group: Group): Record<string, string> =>
  Object.fromEntries(
    Object.entries(group.tags)
      .filter(([, tag]) => tag.propagateAtLaunch)
      .map(([key, tag]) => [key, tag.value]),
  );

/** Another zone or instance type may still have what this one lacks; any other failure would meet everywhere. */
const isCapacityFailure = ({ code }: ServiceError): boolean => capacityCodes.has(code);

/** https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-capacity.html */
const capacityCodes = new Set([
  'InsufficientInstanceCapacity',
  'InsufficientFreeAddressesInSubnet',
  'SpotMaxPriceTooLow',
  'UnfulfillableCapacity',
  'Unsupported',
]);

/**
 * Launches one instance after the other, each in the emptiest zone that has capacity: "If the attempt fails, however,
 * Amazon EC2 Auto Scaling attempts to launch the instances in another Availability Zone until it succeeds", and in a
 * mixed instances group as the next instance type. What has no capacity now is not asked again by the same launcher.
 */
export function launcher(
  world: World,
  group: Group,
  spread: Spread,
  strategy = group.zoneStrategy,
): (cause: string) => Member | null {
  const configuration = configurationOf(world, group);
  const options = launchOptions(configuration);
  const markets = marketsOf(configuration.mixedInstances ? [...spread.values()].flat() : []);
  const exhausted = new Set<string>();
  return (cause) => {
    const spot = nextIsSpot(configuration, markets);
    const zones = emptiestFirst(group, spread);
    for (const zone of strategy === 'balanced-only' ? zones.slice(0, 1) : zones) {
      for (const option of options) {
        const pool = `${zone} ${option.instanceType} ${spot}`;
        if (exhausted.has(pool)) continue;
        try {
          const member = launchMember(world, group, { option, spot, zone, cause, into: 'group' });
          addToMarket(markets, member);
          return member;
        } catch (error) {
          if (!(error instanceof ServiceError)) throw error;
          if (!isCapacityFailure(error)) return null;
          exhausted.add(pool);
        }
      }
    }
    return null;
  };
}
