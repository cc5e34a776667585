/**
 * What a journal means: the one reader of its records. `foldRelease` turns them into the state that status and
 * resume act on and that the report and the evidence show, so that all four can never disagree. Pure; it decides
 * nothing about what happens next and knows nothing that is not in the journal (whether a process is alive, what
 * the cloud looks like now).
 */
import { Refused } from '../errors.ts';
import type { ImageRecord, Verdict } from '../image.ts';
import type { EntryOf, JournalRecord, StageName } from './records.ts';
import type { GroupState, ReleaseState, StageState } from './state.ts';

export type * from './state.ts';

/** The stages in the order a release goes through them. */
export const stageOrder: readonly StageName[] = ['resolve', 'build', 'scan', 'bake', 'rollout', 'evidence'];

/**
 * Folds verified records (readJournal, Journal.records) into the release's state. Throws Refused 'unverified'
 * when they do not begin with `release.opened`.
 */
export function foldRelease(records: readonly JournalRecord[]): ReleaseState {
  const first = records[0];
  if (first?.type !== 'release.opened') {
    throw new Refused(
      'unverified',
      'the journal does not begin with a release being opened',
      'This is not the journal of a release: check the file.',
    );
  }
  const state = openedState(first);
  const verdicts: Verdict[] = [];
  for (const record of records) apply(state, verdicts, record);
  state.verdicts = newestByCheck(verdicts, state.image);
  state.unfinished = state.actions.filter((action) => action.outcome === null);
  return state;
}

function openedState({ data, at }: JournalRecord<EntryOf<'release.opened'>>): ReleaseState {
  const { droverVersion, actor, reason, emergency, cloud, recovery = null, config, configSha256 } = data;
  return {
    id: data.release,
    droverVersion,
    actor,
    reason,
    emergency,
    cloud,
    recovery,
    config,
    configSha256,
    status: 'open',
    closingReason: null,
    openedAt: at,
    closedAt: null,
    lastRecordAt: at,
    records: 0,
    stages: stageOrder.map(pendingStage),
    image: null,
    diskPrunedAt: null,
    verdicts: [],
    overrides: [],
    waves: [],
    groups: [],
    actions: [],
    unfinished: [],
    rollbacks: [],
    interruptions: [],
  };
}

const pendingStage = (stage: StageName): StageState => ({
  stage,
  status: 'pending',
  attempts: 0,
  startedAt: null,
  finishedAt: null,
  durationMs: null,
  summary: null,
  artifacts: [],
});

function apply(state: ReleaseState, verdicts: Verdict[], record: JournalRecord): void {
  const { at } = record;
  state.records += 1;
  state.lastRecordAt = at;
  switch (record.type) {
    case 'release.opened':
      return;
    case 'release.resumed': {
      const { actor, reason } = record.data;
      state.interruptions.push({ kind: 'resumed', at, actor, reason });
      reopen(state);
      return;
    }
    case 'release.interrupted': {
      const { signal, stage } = record.data;
      state.interruptions.push({ kind: 'interrupted', at, signal, stage });
      for (const running of state.stages.filter((s) => s.status === 'running')) {
        Object.assign(running, { status: 'interrupted', finishedAt: at });
      }
      state.status = 'interrupted';
      return;
    }
    case 'stage.started': {
      const stage = stageOf(state, record.data.stage);
      const { attempts } = stage;
      Object.assign(stage, pendingStage(stage.stage), {
        status: 'running',
        startedAt: at,
        attempts: attempts + 1,
      });
      // The evidence stage may be repeated after the end without taking the end back.
      if (record.data.stage !== 'evidence') reopen(state);
      return;
    }
    case 'stage.finished': {
      const { stage, outcome, durationMs, summary, artifacts } = record.data;
      Object.assign(stageOf(state, stage), {
        status: outcome,
        finishedAt: at,
        durationMs,
        summary,
        artifacts,
      });
      return;
    }
    case 'image.built':
      state.image = record.data;
      state.diskPrunedAt = null;
      return;
    case 'disk.pruned':
      state.diskPrunedAt = at;
      return;
    case 'verdict':
      verdicts.push(record.data);
      return;
    case 'override':
      state.overrides.push({ ...record.data, at });
      return;
    case 'wave.started':
      startWave(state, record);
      return;
    case 'wave.finished': {
      const { environment, wave, outcome, reason } = record.data;
      const found = state.waves.find((w) => w.environment === environment && w.wave === wave);
      if (found) Object.assign(found, { status: outcome, reason, finishedAt: at });
      return;
    }
    case 'group.baseline':
      // The first is the truth: a later one would describe a group the release had changed already.
      groupOf(state, record.data.group).baseline ??= record.data;
      return;
    case 'group.finished': {
      const { group, outcome, reason, after } = record.data;
      Object.assign(groupOf(state, group), { outcome, reason, after, finishedAt: at });
      return;
    }
    case 'intent':
      intend(state, record);
      return;
    case 'outcome': {
      const { key, status, result, error } = record.data;
      const action = state.actions.findLast((a) => a.key === key);
      if (!action) return;
      action.outcome = { at, status, result, error };
      if (action.action === 'template' && status === 'done') {
        groupOf(state, action.group).targetVersion = Number(result?.version);
      }
      return;
    }
    case 'answer': {
      const { group, instance, source, status, reason } = record.data;
      groupOf(state, group).answers.push({ at, instance, source, status, reason });
      return;
    }
    case 'progress': {
      const { group, target, previous, healthy, total, desired } = record.data;
      const onNew = isReturning(state, group) ? previous : target;
      const onEarlier = isReturning(state, group) ? target : previous;
      groupOf(state, group).sizes.push({ at, target: onNew, previous: onEarlier, healthy, total, desired });
      return;
    }
    case 'rollback.started': {
      const { groups, reason, actor } = record.data;
      const unended = { finishedAt: null, outcome: null, ending: null };
      state.rollbacks.push({ groups, reason, actor, startedAt: at, ...unended });
      reopen(state);
      return;
    }
    case 'rollback.finished': {
      const { outcome, reason } = record.data;
      const last = state.rollbacks.at(-1);
      if (last) Object.assign(last, { outcome, ending: reason, finishedAt: at });
      return;
    }
    case 'release.closed':
      state.status = record.data.outcome;
      state.closingReason = record.data.reason;
      state.closedAt = at;
      return;
  }
}

/** Something is being done again: a closed release may be rolled back later, an interrupted one resumed. */
function reopen(state: ReleaseState): void {
  state.status = 'open';
  state.closingReason = null;
  state.closedAt = null;
}

const isReturning = ({ rollbacks }: ReleaseState, group: string): boolean => {
  const last = rollbacks.at(-1);
  return last !== undefined && last.outcome === null && last.groups.includes(group);
};

function stageOf(state: ReleaseState, name: StageName): StageState {
  return state.stages.find((s) => s.stage === name)!;
}

function groupOf(state: ReleaseState, group: string): GroupState {
  const known = state.groups.find((g) => g.group === group);
  if (known) return known;
  const fresh: GroupState = {
    group,
    environment: null,
    wave: null,
    baseline: null,
    targetVersion: null,
    outcome: null,
    reason: null,
    after: null,
    finishedAt: null,
    sizes: [],
    answers: [],
  };
  state.groups.push(fresh);
  return fresh;
}

function startWave(state: ReleaseState, { data, at }: JournalRecord<EntryOf<'wave.started'>>): void {
  const { environment, wave, groups, imageId } = data;
  for (const group of groups) Object.assign(groupOf(state, group), { environment, wave });
  const known = state.waves.find((w) => w.environment === environment && w.wave === wave);
  const running = { groups, imageId, status: 'running', reason: null, finishedAt: null } as const;
  // A resumed wave keeps the time it first started.
  if (known) Object.assign(known, running);
  else state.waves.push({ environment, wave, startedAt: at, ...running });
}

function intend(state: ReleaseState, { data, at }: JournalRecord<EntryOf<'intent'>>): void {
  const { key, group, action, arguments: given, why } = data;
  groupOf(state, group);
  const known = state.actions.find((a) => a.key === key);
  const attempts = (known?.attempts ?? 0) + 1;
  const intended = { group, action, arguments: given, why, at, attempts, outcome: null };
  if (known) Object.assign(known, intended);
  else state.actions.push({ key, ...intended });
}

function newestByCheck(verdicts: Verdict[], image: ImageRecord | null): Verdict[] {
  const newest = new Map<string, Verdict>();
  for (const verdict of verdicts) {
    if (image === null || verdict.imageId === image.id) newest.set(verdict.check, verdict);
  }
  return [...newest.values()];
}
