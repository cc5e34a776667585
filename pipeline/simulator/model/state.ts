/**
 * The state of a simulated AWS account: plain data that survives JSON, pending events included. Nothing in
 * here behaves; the files next to it do. Times are milliseconds since the Unix epoch, durations end in Ms.
 * Members that the API only stores and gives back (template data, mixed instances policy) keep AWS's own shape.
 */
import type { Json } from '../../json.ts';
import type { Alarm } from './alarms.ts';
import type { Behaviour, Fault, FaultOf } from './fault.ts';
import type {
  Cooldown,
  LifecycleAction,
  LifecycleHook,
  MaintenancePolicy,
  ScheduledAction,
  WarmPool,
} from './group-state.ts';
import type { Parameter } from './parameters.ts';
import type { InstanceRefresh } from './refresh-state.ts';

export type Tags = Record<string, string>;

/** How the software of one instance behaves: drawn at its launch, from then on a fact. Times count from 'running'. */
export interface Conduct {
  /** From then on it works; null: never. */
  readyAfterMs: number | null;
  /** From then on it works no more; null: it works for good. */
  failsAfterMs: number | null;
  /** Share of the requests it answers with an error while it works. */
  errorRate: number;
}

/** A fault that was ordered, and what became of it. */
export interface StandingFault {
  id: number;
  fault: Fault;
  state: 'waiting' | 'in force' | 'over';
  /** Calls or events it has counted, to come into force or to draw which of them it hits. */
  seen: number;
  /** How often it may still happen; null: as often as there is occasion. */
  left: number | null;
  /** In force until then; null: until it is taken back. */
  endsAt: number | null;
  happened: number;
  /** Why it could not happen, the last time it should have. */
  failure: string | null;
}

/** How long things take. Real AWS is slower; the dynamics are the same. */
export interface Timing {
  /** pending → running. */
  bootMs: number;
  /** running → software works, status checks ok; also the interval of a target group's checks unless it has its own. */
  warmUpMs: number;
  /** Default deregistration delay of target groups. */
  drainMs: number;
  /** shutting-down → terminated, and stopping → stopped. */
  terminateMs: number;
  /** A change of a group → what Auto Scaling does about it. */
  reactionMs: number;
  /** An instance turns bad → Auto Scaling's health check notices. */
  healthCheckMs: number;
  /** An uneven spread over zones → AZRebalance starts. */
  rebalanceMs: number;
  /** A failed launch → the next attempt. */
  launchRetryMs: number;
  /** CreateImage/RegisterImage: pending → available. */
  imageMs: number;
}

export interface Instance {
  id: string;
  serial: number;
  reservationId: string;
  /** Of the RunInstances that launched it. */
  clientToken: string | null;
  imageId: string;
  instanceType: string;
  zone: string;
  subnetId: string;
  privateAddress: string;
  launchedAt: number;
  state: 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';
  stateReason: { code: string; message: string } | null;
  /** Both status checks (system and instance reachability go together here); not-applicable unless running. */
  checks: 'initializing' | 'ok' | 'impaired' | 'not-applicable';
  checksSince: number;
  /** When it last became 'running'; null before. */
  runningSince: number | null;
  conduct: Conduct;
  /** Grows with every stop, reboot and termination, so that events of an earlier life are recognised. */
  life: number;
  groupName: string | null;
  /** Bought on the spot market: EC2 may take it back. */
  spot: boolean;
  keyName: string | null;
  securityGroupIds: string[];
  volumes: { device: string; volumeId: string }[];
  userData: string | null;
  rootDevice: string;
  /** Spot: EC2 has recommended to replace it, and when it will take it back, if that is decided. */
  interruption: { recommendedAt: number; endsAt: number | null } | null;
  shutdownBehavior: 'stop' | 'terminate';
  terminationProtected: boolean;
  tags: Tags;
}

export interface Volume {
  id: string;
  serial: number;
  sizeGiB: number;
  type: string;
  encrypted: boolean;
  zone: string;
  createdAt: number;
  snapshotId: string | null;
  instanceId: string | null;
  device: string | null;
  deleteOnTermination: boolean;
  tags: Tags;
}

export interface Snapshot {
  id: string;
  serial: number;
  volumeId: string;
  sizeGiB: number;
  encrypted: boolean;
  startedAt: number;
  state: 'pending' | 'completed';
  description: string;
  tags: Tags;
}

export interface ImageDevice {
  device: string;
  snapshotId: string | null;
  sizeGiB: number;
  type: string;
  encrypted: boolean;
  deleteOnTermination: boolean;
}

export interface Image {
  id: string;
  serial: number;
  name: string;
  description: string;
  /** The account, or 'amazon' for public base images. */
  ownerId: string;
  ownerAlias: string | null;
  state: 'pending' | 'available';
  createdAt: number;
  architecture: string;
  rootDevice: string;
  devices: ImageDevice[];
  isPublic: boolean;
  launchPermissions: string[];
  imdsSupport: string | null;
  enaSupport: boolean;
  bootMode: string | null;
  sourceInstanceId: string | null;
  /** Null: its instances are healthy. */
  behaviour: Behaviour | null;
  tags: Tags;
}

export type TemplateData = { [key: string]: Json };

export interface LaunchTemplate {
  id: string;
  serial: number;
  name: string;
  createdAt: number;
  defaultVersion: number;
  latestVersion: number;
  versions: Record<number, TemplateVersion>;
  tags: Tags;
}

export interface TemplateVersion {
  version: number;
  createdAt: number;
  description: string | null;
  /** LaunchTemplateData in AWS's own shape. */
  data: TemplateData;
}

export interface TemplateReference {
  id: string;
  name: string;
  /** A number as text, '$Latest' or '$Default'. On an instance always a number. */
  version: string;
}

/** On the way into or out of the group or its warm pool; each may be held up by lifecycle hooks. */
export type Passage = 'Pending' | 'Terminating' | 'Warmed:Pending' | 'Warmed:Terminating';

/** The lifecycle states this model reaches (Amazon EC2 Auto Scaling User Guide, "Instance lifecycle"). */
export type MemberLifecycle =
  | Passage
  | `${Passage}:Wait`
  | `${Passage}:Proceed`
  | 'InService'
  | 'EnteringStandby'
  | 'Standby'
  | 'Detaching'
  | 'Warmed:Stopped'
  | 'Warmed:Running';

/** An instance as its group sees it. */
export interface Member {
  instanceId: string;
  lifecycle: MemberLifecycle;
  health: 'Healthy' | 'Unhealthy';
  /** Why it is unhealthy, in the words of the activity that replaces it. */
  unhealthyBecause: string | null;
  zone: string;
  instanceType: string;
  spot: boolean;
  protectedFromScaleIn: boolean;
  /** Null for an instance that was attached. */
  template: TemplateReference | null;
  joinedAt: number;
  inServiceAt: number | null;
  /** Launched by AZRebalance: until it is in service the group may be above desired. */
  rebalancing: boolean;
  /** Serial of the activity that last moved it. */
  activity: number;
  /** Load balancers still drain it, on its way out. */
  draining: boolean;
  /** What it waits for while in a wait state. */
  actions: LifecycleAction[];
}

export interface GroupTag {
  value: string;
  propagateAtLaunch: boolean;
}

export interface Group {
  name: string;
  arn: string;
  serial: number;
  createdAt: number;
  min: number;
  max: number;
  desired: number;
  zones: string[];
  subnetIds: string[];
  template: TemplateReference | null;
  /** MixedInstancesPolicy in AWS's own shape, with the template resolved to id and name. */
  mixedInstances: TemplateData | null;
  targetGroupArns: string[];
  healthCheckType: string;
  healthCheckGraceMs: number;
  cooldownMs: number;
  /** What the last scaling activity began; only SetDesiredCapacity with HonorCooldown asks. */
  cooldown: Cooldown | null;
  /** DefaultInstanceWarmup; null when not set. */
  warmUpMs: number | null;
  maintenance: MaintenancePolicy | null;
  capacityRebalance: boolean;
  /** balanced-only: a zone without capacity is tried again, the others are not filled up instead. */
  zoneStrategy: 'balanced-best-effort' | 'balanced-only';
  newInstancesProtected: boolean;
  terminationPolicies: string[];
  /** Process → why it is suspended. */
  suspended: Record<string, string>;
  tags: Record<string, GroupTag>;
  members: Record<string, Member>;
  hooks: Record<string, LifecycleHook>;
  scheduledActions: Record<string, ScheduledAction>;
  warmPool: WarmPool | null;
  /** Who changed desired last, in the words of the activities that follow from it. */
  capacityCause: string;
  /** Why instances are launched in the place of unhealthy ones already terminated: a cause for each. */
  replacements: string[];
  /** Whether some members are unhealthy, or may soon be taken back, and wait to be replaced. */
  ailing: boolean;
  /** When Auto Scaling next looks at the group; null when nothing is outstanding. */
  reconcileDue: number | null;
  rebalanceDue: number | null;
  deleting: boolean;
}

export interface Activity {
  id: string;
  serial: number;
  groupName: string;
  description: string;
  cause: string;
  startedAt: number;
  endedAt: number | null;
  status:
    | 'PreInService'
    | 'InProgress'
    | 'WaitingForELBConnectionDraining'
    | 'MidLifecycleAction'
    | 'Successful'
    | 'Failed'
    | 'Cancelled';
  message: string | null;
  progress: number;
  zone: string | null;
  subnetId: string | null;
}

export interface Target {
  instanceId: string;
  port: number;
  state: 'initial' | 'healthy' | 'unhealthy' | 'draining';
  /** Distinguishes this registration from an earlier one of the same instance. */
  registration: number;
  registeredAt: number;
  /** When a health check next finds something new; null: as things stand, never. */
  checkDue: number | null;
  drainedAt: number | null;
}

/** How a target group checks its targets; the rest of its settings are only kept. */
export interface HealthCheck {
  intervalMs: number;
  timeoutMs: number;
  healthyThreshold: number;
  unhealthyThreshold: number;
  protocol: string;
  port: string;
  path: string;
  matcher: string;
}

export interface TargetGroup {
  arn: string;
  serial: number;
  name: string;
  port: number;
  protocol: string;
  healthCheck: HealthCheck;
  deregistrationDelayMs: number;
  /** Other attributes, as given. */
  attributes: Record<string, string>;
  /** What its clients send it, in metrics. */
  requestsPerSecond: number;
  loadBalancerArns: string[];
  targets: Record<string, Target>;
  tags: Tags;
}

export interface KeyPair {
  id: string;
  name: string;
  fingerprint: string;
  createdAt: number;
  publicKey: string | null;
  tags: Tags;
}

export interface SecurityGroup {
  id: string;
  name: string;
  description: string;
  vpcId: string;
  /** IpPermissions in AWS's own shape. */
  ingress: TemplateData[];
  tags: Tags;
}

export interface Subnet {
  id: string;
  zone: string;
  cidr: string;
}

/** Everything that is going to happen by itself. `due` orders; `seq` orders what is due at the same time. */
export type Event = { due: number; seq: number } & Happening;

export type Happening =
  | { kind: 'instance.running'; id: string; life: number }
  | { kind: 'instance.checks'; id: string; life: number; to: 'ok' | 'impaired' }
  | { kind: 'instance.stopped'; id: string; life: number }
  | { kind: 'instance.terminated'; id: string; life: number }
  | { kind: 'instance.forgotten'; id: string }
  | { kind: 'image.available'; id: string }
  | { kind: 'target.health'; arn: string; id: string; registration: number }
  | { kind: 'target.drained'; arn: string; id: string; registration: number }
  | { kind: 'group.reconcile'; group: string }
  | { kind: 'group.health'; group: string; id: string }
  | { kind: 'group.rebalance'; group: string }
  | { kind: 'group.scheduled'; group: string; name: string; serial: number }
  | { kind: 'group.refresh'; group: string }
  | { kind: 'alarm.evaluate'; name: string; serial: number }
  | { kind: 'member.drained'; group: string; id: string }
  | { kind: 'member.proceeds'; group: string; id: string }
  | { kind: 'hook.timeout'; group: string; id: string; token: string }
  | { kind: 'fault.begins'; id: number }
  | { kind: 'token.expires'; key: string }
  | { kind: 'instance.fails'; id: string; life: number; of: FaultOf<'death'>['of'] }
  | { kind: 'instance.notice'; id: string; noticeMs: number }
  | { kind: 'instance.reclaimed'; id: string };

export interface World {
  schema: 'drover/simulator-world@2';
  region: string;
  accountId: string;
  /** The time up to which everything due has happened. */
  now: number;
  /** Source of every id and serial: counts up, never back. */
  serial: number;
  /** Source of all chance. */
  seed: number;
  timing: Timing;
  /** A binary heap ordered by (due, seq). */
  queue: Event[];
  vpcId: string;
  subnets: Subnet[];
  instances: Record<string, Instance>;
  volumes: Record<string, Volume>;
  images: Record<string, Image>;
  snapshots: Record<string, Snapshot>;
  templates: Record<string, LaunchTemplate>;
  groups: Record<string, Group>;
  /** Newest last, bounded per group. */
  activities: Record<string, Activity[]>;
  /** Instance refreshes by group, newest last, bounded per group. */
  refreshes: Record<string, InstanceRefresh[]>;
  targetGroups: Record<string, TargetGroup>;
  alarms: Record<string, Alarm>;
  parameters: Record<string, Parameter>;
  keyPairs: Record<string, KeyPair>;
  securityGroups: Record<string, SecurityGroup>;
  /** Operation and ClientToken → the request, the answer it got, and until when both count (null: no end yet). */
  tokens: Record<string, { request: string; answer: Json; expiresAt: number | null }>;
  /** Request limits: tokens left in each bucket. */
  buckets: Record<string, { tokens: number; at: number }>;
  faults: StandingFault[];
  /** What the API's clock is ahead of the world's. */
  clockOffsetMs: number;
}
