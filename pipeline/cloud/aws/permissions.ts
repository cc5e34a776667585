/**
 * What the role Drover runs as may do: the one source of .github/aws-policy.json (`npm run policy` writes it).
 * A call the adapter makes stands in `adapterActions`, one line each; what Packer needs to build and to inspect an
 * image stands below it. A test holds the table against the adapter's imports, and every resource and condition against
 * AWS's own Service Authorization Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/).
 * Data only: it grants nothing and is not read by a running release.
 */

/** What an action may be done to; `scopes` says how IAM is told. */
type Scope = 'read' | 'group' | 'marks' | 'template' | 'target-group' | 'simulator';

/** Every call of the adapter, as IAM names it (the SDK's command without 'Command'), and on what it is allowed. */
export const adapterActions: Readonly<Record<`${string}:${string}`, Scope>> = {
  'autoscaling:CancelInstanceRefresh': 'group',
  'autoscaling:CompleteLifecycleAction': 'group',
  'autoscaling:CreateOrUpdateTags': 'marks',
  'autoscaling:DeleteTags': 'marks',
  'autoscaling:DescribeAutoScalingGroups': 'read',
  'autoscaling:DescribeInstanceRefreshes': 'read',
  'autoscaling:DescribeLifecycleHooks': 'read',
  'autoscaling:DescribeScalingActivities': 'read',
  'autoscaling:DescribeWarmPool': 'read',
  'autoscaling:RecordLifecycleActionHeartbeat': 'group',
  'autoscaling:ResumeProcesses': 'group',
  'autoscaling:SetInstanceHealth': 'group',
  'autoscaling:SetInstanceProtection': 'group',
  'autoscaling:StartInstanceRefresh': 'group',
  'autoscaling:SuspendProcesses': 'group',
  'autoscaling:TerminateInstanceInAutoScalingGroup': 'group',
  'autoscaling:UpdateAutoScalingGroup': 'group',
  'cloudwatch:DescribeAlarms': 'read',
  'ec2:CreateLaunchTemplateVersion': 'template',
  'ec2:DescribeImages': 'read',
  'ec2:DescribeInstanceStatus': 'read',
  'ec2:DescribeInstances': 'read',
  'ec2:DescribeLaunchTemplateVersions': 'read',
  'ec2:RegisterImage': 'simulator',
  'elasticloadbalancing:DeregisterTargets': 'target-group',
  'elasticloadbalancing:DescribeTargetGroupAttributes': 'read',
  'elasticloadbalancing:DescribeTargetGroups': 'read',
  'elasticloadbalancing:DescribeTargetHealth': 'read',
  'elasticloadbalancing:RegisterTargets': 'target-group',
  // Always allowed, whatever a policy says; it stands here because it is called.
  'sts:GetCallerIdentity': 'read',
};

export interface Statement {
  Sid: string;
  Effect: 'Allow';
  Action: string[];
  Resource?: string[];
  NotResource?: string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

const everything = ['*'];
const groups = ['arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/*'];
const templates = ['arn:aws:ec2:*:*:launch-template/*'];
const instances = ['arn:aws:ec2:*:*:instance/*'];
/** Images and snapshots have no account in their ARN. */
const images = ['arn:aws:ec2:*::image/*'];
const snapshots = ['arn:aws:ec2:*::snapshot/*'];

const keys = ['arn:aws:kms:*:*:key/*'];
const throughEc2 = { StringLike: { 'kms:ViaService': 'ec2.*.amazonaws.com' } };

/** The tag by which users say what Drover may change, and the one that says which release made a thing. */
const isManaged = { StringEquals: { 'aws:ResourceTag/drover': 'managed' } };
const isOfARelease = { Null: { 'aws:ResourceTag/drover:release': 'false' } };
const willBeOfARelease = { Null: { 'aws:RequestTag/drover:release': 'false' } };

/** 'simulator' has none: images are registered only where Packer has not made them, in the simulated account. */
const scopes: Record<Exclude<Scope, 'simulator'>, Omit<Statement, 'Effect' | 'Action'>> = {
  // Describe calls take no resource: "you must specify all resources".
  read: { Sid: 'Observe', Resource: everything },
  group: { Sid: 'ChangeGroupsThatCarryTheTag', Resource: groups, Condition: isManaged },
  marks: {
    Sid: 'MarkThem',
    Resource: groups,
    // Its own marks only: not the tag that gives it its rights, and nobody else's.
    Condition: { ...isManaged, 'ForAllValues:StringLike': { 'aws:TagKeys': 'drover:*' } },
  },
  template: { Sid: 'VersionTemplatesThatCarryTheTag', Resource: templates, Condition: isManaged },
  'target-group': {
    Sid: 'DrainTargetGroupsThatCarryTheTag',
    Resource: ['arn:aws:elasticloadbalancing:*:*:targetgroup/*/*'],
    Condition: isManaged,
  },
};

/**
 * What is checked although nobody calls it: pointing a group at a numbered template version asks whether the caller
 * might launch from it, tag what it tags, and pass its role.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
 */
const launching: Statement[] = [
  allow('UseTemplatesThatCarryTheTag', ['ec2:RunInstances'], templates, isManaged),
  allow('LaunchByThem', ['ec2:RunInstances'], instances, {
    ArnLike: { 'ec2:LaunchTemplate': templates },
  }),
  {
    // Subnets, security groups, images, volumes and whatever else an instance is launched with.
    Sid: 'WithWhatTheyName',
    Effect: 'Allow',
    Action: ['ec2:RunInstances'],
    NotResource: [...instances, ...templates],
  },
  allow('TagOnCreation', ['ec2:CreateTags'], everything, {
    StringEquals: {
      'ec2:CreateAction': ['CreateImage', 'CreateKeyPair', 'CreateSecurityGroup', 'RunInstances'],
    },
  }),
  allow('PassTheInstanceProfiles', ['iam:PassRole'], ['arn:aws:iam::*:role/drover-*'], {
    StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' },
  }),
];

/**
 * Packer's amazon-ebs builder, which also launches the throwaway instance of a scan; reached by Session Manager. Less than
 * its documentation asks for, which is for all of its builders and options: this one never calls DescribeImageAttribute
 * and DescribeTags, asks for snapshots only where it makes them itself (ebssurrogate, ebsvolume, chroot), and modifies
 * instances only for `ena_support` and `sriov_support` (packer-plugin-amazon 1.8.0).
 */
export const packer: readonly Statement[] = [
  allow('LaunchBuildInstances', ['ec2:RunInstances'], instances, willBeOfARelease),
  allow(
    'EndWhatPackerMadeForARelease',
    ['ec2:DeleteSnapshot', 'ec2:DeregisterImage', 'ec2:StopInstances', 'ec2:TerminateInstances'],
    everything,
    isOfARelease,
  ),
  allow('ImageBuildInstances', ['ec2:CreateImage'], instances, isOfARelease),
  allow('MakeImages', ['ec2:CreateImage'], [...images, ...snapshots]),
  // Never instances: one that could be given the tag could be ended by it.
  allow('TagImages', ['ec2:CreateTags'], [...images, ...snapshots], willBeOfARelease),
  // Packer shares an image before it tags it.
  allow('ShareImages', ['ec2:ModifyImageAttribute'], images),
  allow('ShareTheirSnapshots', ['ec2:ModifySnapshotAttribute'], snapshots),
  // Its key pair and security group carry no tag that could be asked for.
  allow(
    'PrepareBuildInstances',
    [
      'ec2:AuthorizeSecurityGroupIngress',
      'ec2:CreateKeyPair',
      'ec2:CreateSecurityGroup',
      'ec2:DeleteKeyPair',
      'ec2:DeleteSecurityGroup',
      'ec2:DescribeInstanceTypeOfferings',
      'ec2:DescribeRegions',
      'ec2:DescribeSecurityGroups',
      'ec2:DescribeSubnets',
      'ec2:DescribeVolumes',
      'ec2:DescribeVpcs',
      'iam:GetInstanceProfile',
    ],
    everything,
  ),
  allow('ReachBuildInstancesWithoutSsh', ['ssm:StartSession'], instances, {
    StringLike: { 'ssm:resourceTag/drover:release': '*' },
  }),
  allow(
    'ForwardTheirPortOverSsm',
    ['ssm:StartSession'],
    ['arn:aws:ssm:*:*:document/AWS-StartPortForwardingSession'],
  ),
  // Only with a key of one's own (`amazon.kms_key`), which carries the tag too. EC2 uses it in the caller's name.
  // https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
  allow(
    'EncryptVolumesByTheKey',
    [
      'kms:Decrypt',
      'kms:DescribeKey',
      'kms:GenerateDataKeyWithoutPlaintext',
      'kms:ReEncryptFrom',
      'kms:ReEncryptTo',
    ],
    keys,
    { ...isManaged, ...throughEc2 },
  ),
  allow('LendTheKeyToInstances', ['kms:CreateGrant'], keys, {
    ...isManaged,
    ...throughEc2,
    Bool: { 'kms:GrantIsForAWSResource': 'true' },
  }),
  allow('EndOwnSsmSessions', ['ssm:ResumeSession', 'ssm:TerminateSession'], ['arn:aws:ssm:*:*:session/*']),
];

function allow(
  Sid: string,
  Action: string[],
  Resource: string[],
  Condition?: Statement['Condition'],
): Statement {
  return { Sid, Effect: 'Allow', Action, Resource, ...(Condition && { Condition }) };
}

/** The policy document. */
export function policy(): { Version: string; Statement: Statement[] } {
  const rolling = (Object.keys(scopes) as (keyof typeof scopes)[]).map((scope): Statement => {
    const { Sid, ...where } = scopes[scope];
    const actions = Object.entries(adapterActions).filter(([, allowed]) => allowed === scope);
    return { Sid, Effect: 'Allow', Action: actions.map(([action]) => action), ...where };
  });
  return { Version: '2012-10-17', Statement: [...rolling, ...launching, ...packer] };
}

export const policyText = (): string => `${JSON.stringify(policy(), null, 2)}\n`;
