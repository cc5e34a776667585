/**
 * The state of a release as its journal tells it: the shape foldRelease (fold.ts) makes and status, resume, the
 * report and the evidence read. Times are RFC 3339 in UTC, durations milliseconds, sizes instances.
 */
import type { Artifact, ImageRecord, Verdict } from '../image.ts';
import type { JsonObject } from '../json.ts';
import type { GroupBaseline, GroupOutcome, StageName } from './records.ts';

export interface ReleaseState {
  id: string;
  droverVersion: string;
  actor: string;
  reason: string;
  emergency: boolean;
  /** `account` is absent in journals of versions that did not ask. */
  cloud: { provider: string; region: string; endpoint: string | null; account?: string };
  /** What it recovers; null for a release of an image. */
  recovery: { group: string; of: string } | null;
  config: JsonObject;
  configSha256: string;
  /**
   * 'open': started and not closed, whether or not a process is working on it now. 'interrupted': the last thing
   * recorded is that a signal stopped it. The rest are the outcomes of release.closed.
   */
  status: 'open' | 'interrupted' | 'promoted' | 'failed' | 'rolled-back' | 'stuck';
  /** Why it was closed, in one sentence; null while it is not. */
  closingReason: string | null;
  openedAt: string;
  /** Null while it is not closed. */
  closedAt: string | null;
  /** When the newest record was written. */
  lastRecordAt: string;
  records: number;

  /** All six, in order. */
  stages: StageState[];
  /** The image this release is about: the last one built; null before that. */
  image: ImageRecord | null;
  /** When its disk was pruned; null while it is to be there. */
  diskPrunedAt: string | null;
  /** The newest verdict of every check on `image`, in the order the checks first appeared. */
  verdicts: Verdict[];
  overrides: OverrideState[];
  /** In the order they were (first) started. */
  waves: WaveState[];
  /** In the order they were first named by a wave, a baseline or an intent. */
  groups: GroupState[];
  /** Every mutating call, in the order it was intended. */
  actions: ActionState[];
  /** Actions without an outcome: what a crash left in doubt, or what is under way right now. */
  unfinished: ActionState[];
  rollbacks: RollbackState[];
  /** Interruptions and takeovers, in order. */
  interruptions: InterruptionState[];
}

export interface StageState {
  stage: StageName;
  /** 'running' also when the process died in it: the journal cannot tell. */
  status: 'pending' | 'running' | 'passed' | 'failed' | 'interrupted';
  /** How often it was started; more than 1 after a resume. */
  attempts: number;
  /** Of the last attempt. */
  startedAt: string | null;
  finishedAt: string | null;
  /** As the stage measured it, of the last attempt. */
  durationMs: number | null;
  summary: string | null;
  artifacts: Artifact[];
}

export interface OverrideState {
  check: string;
  imageId: string;
  actor: string;
  reason: string;
  at: string;
}

export interface WaveState {
  environment: string;
  wave: string;
  groups: string[];
  imageId: string;
  status: 'running' | 'promoted' | 'failed';
  reason: string | null;
  startedAt: string;
  finishedAt: string | null;
}

export interface GroupState {
  group: string;
  /** From the wave that named it; null when only a baseline or an intent did. */
  environment: string | null;
  wave: string | null;
  /** As it was before the release first changed it; null when it never did. */
  baseline: GroupBaseline | null;
  /** The template version the release made for it; null while it has made none. */
  targetVersion: number | null;
  /** The last group.finished; null while there is none. */
  outcome: GroupOutcome | null;
  reason: string | null;
  /** As it was when it finished. */
  after: GroupBaseline | null;
  finishedAt: string | null;
  /** Fleet sizes whenever they changed, oldest first. */
  sizes: FleetSize[];
  /** Gates' and drains' answers, oldest first. */
  answers: AnswerState[];
}

/** Instances: on the release's version (also while it is rolled back), on earlier ones, serving, and in all. */
export interface FleetSize {
  at: string;
  target: number;
  previous: number;
  healthy: number;
  total: number;
  desired: number;
}

export interface AnswerState {
  at: string;
  instance: string;
  source: string;
  status: 'passed' | 'waiting' | 'failed';
  reason: string;
}

export interface ActionState {
  key: string;
  group: string;
  action: string;
  arguments: JsonObject;
  why: string;
  /** When it was (last) intended. */
  at: string;
  /** How often; more than 1 when a resumed release repeated it. */
  attempts: number;
  outcome: {
    at: string;
    status: 'done' | 'failed' | 'unknown';
    result: JsonObject | null;
    error: string | null;
  } | null;
}

export interface RollbackState {
  groups: string[];
  reason: string;
  actor: string;
  startedAt: string;
  finishedAt: string | null;
  outcome: 'rolled-back' | 'stuck' | null;
  /** How it ended, in one sentence. */
  ending: string | null;
}

export type InterruptionState =
  | { kind: 'interrupted'; at: string; signal: string; stage: StageName | null }
  | { kind: 'resumed'; at: string; actor: string; reason: string };
