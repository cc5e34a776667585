/**
 * The nouns of one group's rollout: what it was given to do, what is seen, what is remembered, what is to be done.
 * Plain data only. `decide` (decide.ts) maps the first three to the fourth; nothing in here behaves.
 */
import type { GroupChange, GroupObservation, RefreshKey, RefreshRequest } from '../cloud/cloud.ts';
import type { GroupBaseline } from '../journal/records.ts';
import type { GroupSpec } from './spec.ts';

export interface Goal {
  /**
   * replace: every instance that is not on `version` is replaced. return: only instances on `abandoned` are; what
   * was there before the release, whatever its version, is left alone. recover: none is.
   */
  kind: 'replace' | 'return' | 'recover';
  /** The numbered template version the group is pinned to. */
  version: number;
  /** The version of the release that is left behind; null when it never got as far as making one, and in a replace. */
  abandoned: number | null;
  /**
   * '$Latest' or '$Default', where a return is to end with the group following that again (way-back.ts); null when it
   * stays pinned.
   */
  follows: string | null;
}

/** One group's task: constant while it runs. */
export interface Assignment {
  release: string;
  spec: GroupSpec;
  baseline: GroupBaseline;
  goal: Goal;
}

/** The answer of a gate or a drain about one instance. */
export interface Answer {
  status: 'passed' | 'waiting' | 'failed';
  /** Which gate or drain says so. */
  source: string;
  /** Why, in words that stay the same while nothing changes. */
  reason: string;
  /** It was given before, and stands until the question is answered anew: nothing new was learnt. */
  standing?: true;
}

/** All that is seen of a group in one tick. Times are epoch milliseconds. */
export interface Snapshot {
  now: number;
  group: GroupObservation;
  /** The gates' combined answer by instance id; an instance that is not listed was not asked about. */
  answers: Record<string, Answer>;
  /** The combined answer of the gates over the group as a whole. */
  groupAnswer: Answer;
  /** The answer of the drain step under way by instance id. */
  drains: Record<string, Answer>;
  /** What is said of the work of instances that wait behind a hook, by id. */
  handovers: Record<string, Answer>;
  /** The soak is over: what is left of the engine's marks may be removed. */
  soaked: boolean;
}

/** What the engine has changed on a group and has to give back. */
export interface Owed {
  /** Desired as the user or an autoscaler wants it now. */
  wanted: number;
  /** What desired reads as long as nobody else changes it: `wanted` plus the engine's own raise. */
  expected: number;
  /** MaxSize as the user had it, and every value the engine raised it to. */
  max: { from: number; raised: number[] } | null;
  /** Processes the engine suspended. */
  suspended: string[];
  /** The engine's tags are on the group. */
  tagged: boolean;
}

export interface InstanceMemory {
  version: number | null;
  /** When this process first saw it. */
  seenAt: number;
  /** Consecutive observations that passed, that failed, that did not pass. */
  passes: number;
  failures: number;
  misses: number;
  /** It has been serving at some time. */
  served: boolean;
  /** Since when an instance that has been serving does not; null while it does. */
  lapsedSince: number | null;
  /** The last answer that was not a pass. */
  reason: string;
  /** Auto Scaling called it unhealthy when it was last seen. */
  unhealthy: boolean;
  /** The engine asked for its termination. */
  terminated: boolean;
  /** It is on its way out, whoever asked for it. */
  leaving: boolean;
}

export interface DrainMemory {
  /** Index into spec.drain; its length when all steps are done. */
  step: number;
  /** The step's start call has been made by this process. */
  started: boolean;
  /** A drain has been asked of it, in whatever step and with whatever answer: it may serve nobody any more. */
  touched: boolean;
  /** When the step was first to be started. */
  since: number;
  /** Up to which step it was to be given back, by a call that may have done only part of that: see owed.ts. */
  undoneFrom?: number;
}

export interface Memory {
  startedAt: number;
  owed: Owed;
  instances: Record<string, InstanceMemory>;
  /** Victims by instance id. */
  drains: Record<string, DrainMemory>;
  /** Since when instances that may be taken wait for others, to go by the same calls: gather.ts. */
  gatheringSince: number | null;
  /** Instances waiting behind the hook Drover was given: since when, the last heartbeat sent, the hook completed. */
  handovers: Record<string, { since: number; beatAt: number | null; isCompleted: boolean }>;
  /** Since when fewer instances exist than desired without a new one appearing. */
  shortSince: number | null;
  /** Instances on the target version that died under Auto Scaling's hands. */
  losses: { count: number; last: string };
  /** Since when the gates over the group have not passed (null while they do), how often in a row they failed, and why. */
  pause: { since: number | null; failures: number; reason: string };
  /** Consecutive ticks in which an action was refused. */
  refusals: { count: number; last: string };
  /** A desired nobody here set, and how often in a row it was seen; null when desired is as expected. */
  divergence: { to: number; seen: number } | null;
  /** What desired was expected to read before, and until when reading that may be an echo. */
  echoes: { desired: number; untilMs: number }[];
  /** Since when the whole canary serves (null while it does not), and whether it has soaked. */
  canary: { provenSince: number | null; isOver: boolean };
  /** The id of the instance refresh this release has started. */
  refresh: string | null;
  /** How many instances had to move when the zones were last evened out; null before the first time. */
  uneven: number | null;
  /** When the group was first seen completely replaced. */
  replacedAt: number | null;
  /** Calls whose outcome is not known, by intent, and how many observations have not shown them carried out. */
  uncertain: Doubt[];
  /** By kind, the shortest time something has taken here: see expect.ts. */
  quickest: Record<string, number>;
  /** Doubts this tick has resolved: what was carried out, null for nothing. To be journaled before the next call. */
  resolved: { key: string; done: Action | null }[];
}

export interface Doubt {
  key: string;
  action: Action;
  /** When the call was made. */
  sinceMs: number;
  unseen: number;
}

/** Everything the engine ever does to a group. `why` is for the journal and the reader. */
export type Action = { why: string } & (
  | { type: 'tag'; tags: Record<string, string> }
  | { type: 'suspend'; processes: string[] }
  /** `wanted` and `maxFrom` are what a resumed release needs to know about the numbers in `change`. */
  | { type: 'update'; change: GroupChange; wanted: number; maxFrom: number | null }
  | { type: 'drain'; step: number; instances: string[] }
  | { type: 'undrain'; step: number; instances: string[] }
  | { type: 'terminate'; instances: string[]; decrement: boolean; wanted: number }
  /** Instances of the warm pool: pool.ts. */
  | { type: 'renew'; instances: string[] }
  /** Nothing is called: from its outcome on the canary's limit is lifted, also for a process that resumes. */
  | { type: 'widen' }
  /** `id` once it has started. */
  | { type: 'refresh'; request: RefreshRequest; id?: string }
  /** By its version when it may have started, but nobody has said so. */
  | ({ type: 'cancel-refresh' } & RefreshKey)
  | { type: 'heartbeat'; hook: string; instances: string[]; at: number }
  | { type: 'complete'; hook: string; instances: string[] }
  | { type: 'resume'; processes: string[] }
  | { type: 'untag'; keys: string[] }
);

/** Fleet sizes for people: see records.ts, `progress`. `floor` is the least that must be serving. */
export interface Sizes {
  target: number;
  previous: number;
  healthy: number;
  total: number;
  desired: number;
  draining: number;
  floor: number;
}

export interface Decision {
  /** In order: each may rely on those before it having succeeded. */
  actions: Action[];
  memory: Memory;
  /** replaced: nothing is left to do but to soak. finished: soaked, and nothing of the engine is left behind. */
  status: 'rolling' | 'replaced' | 'finished' | 'failed';
  /** Why it is not further, or why it failed. */
  reasons: string[];
  sizes: Sizes;
}
