/**
 * What one simulated rollout is given: a fleet, what its rollout may do, an image, and everything that goes wrong,
 * as plain data, so that a failing one shrinks to the little that matters (draw.ts draws it). Nothing here runs.
 */
import type { Allowance, HeldPolicy } from '../../pipeline/rollout/spec.ts';

export type Policy = 'fail' | 'skip' | 'force';

export type StrategyDraw =
  | { type: 'rolling' }
  | { type: 'canary'; size: Allowance; soakS: number }
  | { type: 'instance-refresh'; checkpoints: number[]; checkpointSoakS: number };

/** Work that a service beside the cloud ends when it is asked to, by HTTP or by a command; `null`: it never does. */
export interface WorkDraw {
  by: 'http' | 'command';
  workS: number | null;
  onDeadline: Policy;
}

export interface GroupDraw {
  desired: number;
  /** How far MinSize is below and MaxSize above desired. */
  below: number;
  above: number;
  zones: number;
  isLoadBalanced: boolean;
  /** How the group names its template version. */
  version: '1' | '$Latest' | '$Default';
  /** Launches from the template of the first group instead of one of its own. */
  sharesTemplate: boolean;
  /** The template stands in a mixed-instances policy. */
  isMixed: boolean;
  /** An operator has suspended AZRebalance before the rollout. */
  isPinnedToZones: boolean;
  /** Protected from scale-in, and in Standby, when the rollout begins. */
  guarded: number;
  aside: number;
  held: HeldPolicy;
  surge: Allowance;
  unavailable: Allowance;
  passes: number;
  soakS: number;
  strategy: StrategyDraw;
  /** What happens to a drain of the target groups that does not end; `null`: no such drain. */
  onDrainDeadline: Policy | null;
  /** A drain by a service, before or after that of the target groups. */
  hookDrain: (WorkDraw & { isFirst: boolean }) | null;
  /** Work that goes on behind a termination hook. */
  handover: (WorkDraw & { heartbeatS: number }) | null;
  /**
   * Hooks of somebody else, who answers after so many seconds, the first `abandons` times with ABANDON. `null`: never, and
   * each holds an instance up for its heartbeat.
   */
  othersHooks: {
    transition: 'launching' | 'terminating';
    heartbeatS: number;
    answersS: number | null;
    abandons: number;
  }[];
  /** Instances are asked by HTTP too: new ones are ready so much later than their checks say, some answer well in between. */
  httpGate: { slowS: number; flaps: boolean } | null;
  /** A CloudWatch alarm over the group is a gate; and whether it rings. */
  alarm: { rings: { atS: number; forS: number } | null } | null;
  warmPool: 'Stopped' | 'Running' | null;
  /** Auto Scaling replaces instances at risk of a spot interruption before they are taken. */
  rebalancesSpot: boolean;
  /** What somebody sets desired to, as a share of the group's limits, just as the engine first sets it; `null`: nobody. */
  race: number | null;
  /** New instances are protected from scale-in as they are launched. */
  protectsNew: boolean;
  /** Another release's marks are on the group. */
  isTaken: boolean;
  wave: 0 | 1;
}

/** Somebody or something outside the engine acts, so many seconds after the start. `which` picks an instance. */
export type Happening = { atS: number; group: number } & (
  | { kind: 'desired'; share: number }
  | { kind: 'raise-max'; by: number }
  | { kind: 'die'; which: number }
  | { kind: 'suspend-alarms' }
  | { kind: 'resume-rebalance' }
  /** Every second time not then, but when the first instance is drained: that one. */
  | { kind: 'protect'; which: number }
  | { kind: 'release-all' }
  | { kind: 'template' }
  | { kind: 'drains-stick' }
  | { kind: 'stand-by'; which: number }
  | { kind: 'no-capacity'; forS: number }
  | { kind: 'clock-jump'; byS: number }
);

/** What becomes of the nth mutating call; `lost` is carried out, `unsent` is not, and nobody is told either way. */
export interface Weather {
  call: number;
  does: 'busy' | 'throttled' | 'lost' | 'unsent';
}

/** What becomes of calls by their operation, or of instances, in the simulator's own words (model/fault.ts), so many seconds after the start. */
export type FaultDraw = { atS: number } & (
  | { kind: 'server-error' | 'throttled'; operation: string; rate: number; forS: number }
  | { kind: 'denied'; operation: string; forS: number }
  | { kind: 'timeout' | 'lost-response'; operation: string; count: number }
  | { kind: 'rate-limits'; forS: number }
  | { kind: 'late-reads'; toS: number; forS: number }
  | { kind: 'spot-interruption'; recommendedS: number; noticeS: number }
  | { kind: 'death'; of: 'software' | 'machine' }
  | { kind: 'slow-drain'; drainS: number; forS: number }
  | { kind: 'no-capacity'; zone: 'a' | 'b' | null; count: number }
  | { kind: 'clock-jump'; byS: number }
);

/** What becomes of every request by HTTP meanwhile: no answer, an error, or the right answer late. */
export interface HttpWeather {
  atS: number;
  forS: number;
  does: 'none' | 'bad' | 'late';
}

/** For so long every observation shows what was true when it began. */
export interface Staleness {
  atS: number;
  forS: number;
}

/**
 * Where a process ends: counted anew in every life. `signal` is the stop by hand, at the nth record. `next`: what whoever
 * comes does with the release.
 */
export interface Death {
  at: 'before the call' | 'after the call' | 'after the record' | 'signal';
  nth: number;
  deadForS: number;
  next: 'resume' | 'roll back';
}

export interface Scenario {
  groups: GroupDraw[];
  bootS: number;
  warmUpS: number;
  drainS: number;
  terminateS: number;
  image:
    | 'good'
    | 'unhealthy'
    | 'never-boots'
    | 'turns-bad'
    | 'bad-in-a-zone'
    | 'boots-slowly'
    | 'leaks'
    | 'serves-errors';
  happenings: Happening[];
  weather: Weather[];
  faults: FaultDraw[];
  http: HttpWeather[];
  staleness: Staleness[];
  deaths: Death[];
  /** What a person does after a promotion; the next release brings an image that is good. */
  afterwards: 'nothing' | 'roll back' | 'next' | 'next, and back' | 'next, and both back';
}
