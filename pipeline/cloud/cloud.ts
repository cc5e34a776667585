/**
 * The cloud as Drover needs it, in Drover's nouns. cloud/aws is the only implementation and the only place
 * that imports an AWS SDK; it speaks to AWS or, over loopback HTTP, to pipeline/simulator.
 *
 * Reads are batched: one call of `observe` serves a whole tick for any number of groups. Every mutation is
 * idempotent or says what a repeat does, because a resumed release may repeat the last one.
 * Errors are CloudError with the service's own code; throttling and 5xx are retried inside the adapter.
 */

export class CloudError extends Error {
  /** The service's error code, e.g. 'ValidationError', 'ScalingActivityInProgress', 'InvalidAMIID.NotFound'. */
  readonly code: string;
  /** The operation, e.g. 'UpdateAutoScalingGroup'. */
  readonly operation: string;
  /** True when the request may have been carried out although no answer arrived. */
  readonly outcomeUnknown: boolean;
  constructor(
    operation: string,
    code: string,
    message: string,
    options?: { cause?: unknown; outcomeUnknown?: boolean },
  ) {
    super(`${operation}: ${code}: ${message}`, options);
    this.name = 'CloudError';
    this.operation = operation;
    this.code = code;
    this.outcomeUnknown = options?.outcomeUnknown ?? false;
  }
}

/** Auto Scaling's lifecycle states (Amazon EC2 Auto Scaling User Guide, "Instance lifecycle"). */
export type Lifecycle =
  | 'Pending'
  | 'Pending:Wait'
  | 'Pending:Proceed'
  | 'InService'
  | 'Terminating'
  | 'Terminating:Wait'
  | 'Terminating:Proceed'
  | 'Terminated'
  | 'Detaching'
  | 'Detached'
  | 'EnteringStandby'
  | 'Standby'
  | 'Quarantined'
  | 'ReplacingRootVolume'
  | `Warmed:${string}`;

export interface TargetObservation {
  targetGroup: string;
  /** ELBv2 target health state; 'unused' also stands for "not registered". */
  state: 'initial' | 'healthy' | 'unhealthy' | 'unhealthy.draining' | 'unused' | 'draining' | 'unavailable';
  reason: string | null;
}

export interface InstanceObservation {
  id: string;
  lifecycle: Lifecycle;
  /** Auto Scaling's own verdict (HealthStatus). */
  healthy: boolean;
  zone: string;
  instanceType: string;
  protectedFromScaleIn: boolean;
  /** The numbered template version it was launched from; null when it was not launched from a template. */
  templateVersion: number | null;
  /** From DescribeInstances; null while EC2 does not know the instance yet (eventual consistency). */
  imageId: string | null;
  launchedAt: number | null;
  privateAddress: string | null;
  /** System and instance reachability combined: the worse of the two; null while not reported. */
  statusChecks: 'ok' | 'impaired' | 'initializing' | 'insufficient-data' | 'not-applicable' | null;
  /** One entry per target group of its group, whether or not the instance is registered there. */
  targets: TargetObservation[];
}

/** An instance prepared in a warm pool. It serves nobody, and is not one of the group until it is drawn into it. */
export interface WarmInstance extends Pick<InstanceObservation, 'id' | 'healthy' | 'templateVersion'> {
  lifecycle: `Warmed:${string}`;
}

/** Whether an instance is ready in a warm pool: not on its way into it, out of it, or into the group. */
export const isPrepared = (lifecycle: string | undefined): boolean =>
  lifecycle !== undefined && /^Warmed:(Stopped|Running|Hibernated)$/.test(lifecycle);

export interface GroupObservation {
  name: string;
  desired: number;
  min: number;
  max: number;
  zones: string[];
  /** `version` is as configured: a number as text, '$Latest' or '$Default'. Null for launch configurations. */
  template: { id: string; name: string; version: string } | null;
  /** True when a mixed-instances policy holds the template. */
  mixedInstances: boolean;
  /** Instance-type overrides that name a template or an image of their own, which a template change would miss. */
  ownOverrides: number;
  /**
   * What desired, MinSize and MaxSize count: 'instances', or the units of instance weights or of a DesiredCapacityType.
   * https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-weighting.html
   */
  desiredUnit: 'instances' | 'weights' | 'vcpu' | 'memory-mib';
  suspendedProcesses: string[];
  newInstancesProtected: boolean;
  healthCheckType: string;
  healthCheckGraceMs: number;
  /** Its DefaultInstanceWarmup; null when not set, and then an instance refresh waits for the grace period instead. */
  warmUpMs: number | null;
  targetGroups: string[];
  /** What else sends it traffic, which is not observed: Classic Load Balancers, VPC Lattice target groups. */
  otherTraffic: string[];
  /** The instances of its warm pool; null when it has none. */
  warmPool: WarmInstance[] | null;
  /** Lifecycle hook names by transition, and how long each waits for a sign of life. */
  hooks: { launching: string[]; terminating: string[]; heartbeatMs: Record<string, number> };
  tags: Record<string, string>;
  instances: InstanceObservation[];
  /** The newest instance refresh; left out where nobody asked (`newestRefreshes`). */
  refresh?: RefreshObservation | null;
  /**
   * Failed or cancelled scaling activities started after `since` of the request, newest first. Read only while
   * the group has fewer instances than it desires: that is when they say why.
   */
  failedActivities: { at: number; message: string }[];
}

/** What is known of how long things take in one group, for plans and rehearsals. Milliseconds. */
export interface GroupTimes {
  /** The latest launches that succeeded, from their start until the instance was in service; newest first. */
  launchesMs: number[];
  /** The longest deregistration delay of its target groups; 0 without any. */
  drainMs: number;
  /** The longest of their health check intervals: a new target must pass one. 0 without any. */
  healthyMs: number;
}

export interface CloudImage {
  id: string;
  name: string;
  state: 'pending' | 'available' | 'failed' | 'deregistered';
  createdAt: string;
  tags: Record<string, string>;
}

/** A replacement of a group's instances that Auto Scaling carries out by itself. */
export interface RefreshObservation {
  id: string;
  /** InstanceRefreshStatus: 'Pending', 'InProgress', 'Successful', 'Failed', 'Cancelling', 'Cancelled', … */
  status: string;
  reason: string | null;
  startedAt: number;
  percent: number;
  /** The numbered template version it replaces by; null when it has none. */
  version: number | null;
}

/** A refresh by its id, or by what it replaces by when nobody has been told the id. */
export type RefreshKey = { id: string } | { version: number };

export interface RefreshRequest {
  version: number;
  /** Percent of desired. */
  minHealthy: number;
  maxHealthy: number;
  /** Percentages of the group at which it pauses. */
  checkpoints: readonly number[];
  checkpointDelayMs: number;
  protectedInstances: 'wait' | 'ignore' | 'replace';
  standbyInstances: 'wait' | 'ignore' | 'replace';
}

/** A CloudWatch alarm, metric or composite. */
export interface AlarmObservation {
  name: string;
  state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
  /** StateReason: why it is in that state. */
  reason: string;
}

export interface GroupChange {
  /** Pins the group to this numbered version of its own template, or lets it follow '$Latest' or '$Default'. */
  templateVersion?: number | string;
  desired?: number;
  /**
   * Guards `desired`: unless desired still reads this value (or already the new one) nothing is changed and the
   * call fails with code 'DesiredChanged'. So a number an autoscaler has just set is not overwritten.
   */
  ifDesired?: number;
  min?: number;
  max?: number;
}

/** Where the groups of a release are: names mean nothing outside their account and region. */
export interface CloudIdentity {
  provider: 'aws' | 'simulator';
  region: string;
  endpoint: string | null;
  /** The twelve digits of the account the credentials belong to. */
  account: string;
}

/** A bearer token, and when it stops being accepted (epoch ms). */
export interface ClusterToken {
  token: string;
  expiresAt: number;
}

export interface Cloud {
  /** Who answers: for records, and as the preflight that endpoint and credentials work. */
  identify(): Promise<CloudIdentity>;

  /**
   * One snapshot of the named groups. Groups that do not exist are absent from the answer.
   * @param since only failed scaling activities started at or after this time (epoch ms) are reported
   */
  observe(groups: readonly string[], since: number): Promise<GroupObservation[]>;

  /** The named alarms, in as few calls as CloudWatch allows (100 names each). Those that do not exist are absent. */
  alarms(names: readonly string[]): Promise<AlarmObservation[]>;

  /** How long things have taken and are set to take, one per group, in order. Reads only. */
  observeTimes(groups: readonly Pick<GroupObservation, 'name' | 'targetGroups'>[]): Promise<GroupTimes[]>;

  /**
   * Every group of the account that follows '$Latest' of one of the templates (by id): it launches from a new version as
   * soon as there is one. Reads pages of all groups, so it is for plans.
   */
  findFollowers(templates: readonly string[]): Promise<{ group: string; template: string }[]>;

  findImage(id: string): Promise<CloudImage | null>;
  findImageByName(name: string): Promise<CloudImage | null>;
  /** Registers a machine image under a unique name. A repeat with the same name returns the existing id. */
  registerImage(request: {
    name: string;
    description: string;
    tags: Record<string, string>;
  }): Promise<string>;

  /** The image a template version launches. Null when the version does not exist. */
  templateImage(
    templateId: string,
    version: string,
  ): Promise<{ version: number; imageId: string | null } | null>;
  /**
   * A new numbered version, copied from `sourceVersion` with the image replaced. Idempotent by `token`
   * (EC2 ClientToken): a repeat with the same token returns the same number.
   */
  createTemplateVersion(request: {
    templateId: string;
    sourceVersion: string;
    imageId: string;
    description: string;
    token: string;
  }): Promise<number>;

  /** Sets the given properties in one call, leaves the others. Idempotent. */
  updateGroup(group: string, change: GroupChange): Promise<void>;
  suspendProcesses(group: string, processes: readonly string[]): Promise<void>;
  resumeProcesses(group: string, processes: readonly string[]): Promise<void>;
  setGroupTags(group: string, tags: Record<string, string>): Promise<void>;
  removeGroupTags(group: string, keys: readonly string[]): Promise<void>;
  setScaleInProtection(group: string, instances: readonly string[], isProtected: boolean): Promise<void>;

  /**
   * Terminates instances of one group through Auto Scaling, in as few calls as it allows (100 each). With
   * `decrementDesired` the group does not replace them. A repeat for an instance already terminating or gone is
   * not an error.
   * @returns those this call has ended, by which desired was decremented where that was asked for: without those
   *   that were gone or, before a decrement, on their way already, and without the rest when a refusal came after some
   *   had been ended
   * @throws CloudError when none was ended, or when it is unknown whether more were
   */
  terminateInstances(
    group: string,
    instances: readonly string[],
    options: { decrementDesired: boolean },
  ): Promise<string[]>;

  /**
   * Has instances of the warm pool replaced. Those that are not prepared there any more, because they have been drawn
   * into the group or are on their way out, are left alone. Idempotent.
   */
  renewWarmPool(group: string, instances: readonly string[]): Promise<void>;

  /**
   * For instances that wait behind a lifecycle hook: gives them the hook's time anew, or lets them go on (CONTINUE).
   * One that does not wait there any more is not an error.
   */
  extendLifecycleActions(group: string, hook: string, instances: readonly string[]): Promise<void>;
  completeLifecycleActions(group: string, hook: string, instances: readonly string[]): Promise<void>;

  /** The newest instance refresh of each group; null for one that had none in the last six weeks. */
  newestRefreshes(groups: readonly string[]): Promise<Record<string, RefreshObservation | null>>;
  /**
   * Instances already on the version are left alone. A group has one refresh at a time: a second is refused with
   * 'InstanceRefreshInProgress'. @returns its id
   */
  startRefresh(group: string, request: RefreshRequest): Promise<string>;
  /**
   * Stops replacing; what was replaced stays so. Auto Scaling cancels whichever refresh is under way, so the newest is
   * read first and left alone when it is another. Not an error when none is under way.
   */
  cancelRefresh(group: string, which: RefreshKey): Promise<void>;

  /** Starts connection draining. Idempotent. */
  deregisterTargets(targetGroup: string, instances: readonly string[]): Promise<void>;
  /** Undoes it. Idempotent. */
  registerTargets(targetGroup: string, instances: readonly string[]): Promise<void>;

  /**
   * A token by which the managed Kubernetes cluster of that name knows us. Made on the spot, nothing is called.
   * @param signedAt now (epoch ms): the token is valid from then on
   */
  clusterToken(cluster: string, signedAt: number): Promise<ClusterToken>;
}
