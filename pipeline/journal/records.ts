/**
 * What a journal holds. One release has one journal: an append-only file, one record per line, each carrying
 * the hash of the line before it. It is the state a crashed release resumes from and the evidence an auditor
 * reads: one truth, two readers. Record types are only ever added; their meaning never changes.
 */
import type { Artifact, ImageRecord, Verdict } from '../image.ts';
import type { JsonObject } from '../json.ts';

export type StageName = 'resolve' | 'build' | 'scan' | 'bake' | 'rollout' | 'evidence';

/** A group as it was, kept so that it can be put back exactly. */
export interface GroupBaseline {
  group: string;
  desired: number;
  min: number;
  max: number;
  templateId: string;
  templateName: string;
  /** As configured on the group: a number as text, '$Latest' or '$Default'. */
  templateVersion: string;
  /** What that version meant at the time. */
  resolvedVersion: number;
  imageId: string | null;
  suspendedProcesses: string[];
  instances: { id: string; version: number | null; zone: string; lifecycle: string; healthy: boolean }[];
}

export type GroupOutcome = 'promoted' | 'rolled-back' | 'unchanged' | 'stuck';

export type Entry =
  | {
      type: 'release.opened';
      data: {
        release: string;
        droverVersion: string;
        actor: string;
        reason: string;
        emergency: boolean;
        /** `account` is absent in journals of versions that did not ask. */
        cloud: { provider: string; region: string; endpoint: string | null; account?: string };
        /** A recovery: this group is put back from the marks that release `of` left on it, whose journal is lost. */
        recovery?: { group: string; of: string };
        /** The configuration as resolved, and the SHA-256 of its canonical JSON. */
        config: JsonObject;
        configSha256: string;
      };
    }
  /** A new process took the release over, after a crash or an interruption. */
  | { type: 'release.resumed'; data: { actor: string; reason: string } }
  | { type: 'release.interrupted'; data: { signal: string; stage: StageName | null } }
  | { type: 'stage.started'; data: { stage: StageName } }
  | {
      type: 'stage.finished';
      data: {
        stage: StageName;
        outcome: 'passed' | 'failed';
        durationMs: number;
        /** One sentence for a person. */
        summary: string;
        artifacts: Artifact[];
      };
    }
  | { type: 'image.built'; data: ImageRecord }
  /** The disk of an image nobody needs any more is about to be deleted; its digest stays with `image.built`. */
  | { type: 'disk.pruned'; data: { path: string; sha256: string; bytes: number; actor: string } }
  | { type: 'verdict'; data: Verdict }
  /** A soft-mandatory failure accepted by a named person. */
  | { type: 'override'; data: { check: string; imageId: string; actor: string; reason: string } }
  | { type: 'wave.started'; data: { environment: string; wave: string; groups: string[]; imageId: string } }
  | {
      type: 'wave.finished';
      data: { environment: string; wave: string; outcome: 'promoted' | 'failed'; reason: string };
    }
  /** Written once per group before its first mutation. */
  | { type: 'group.baseline'; data: GroupBaseline }
  | {
      type: 'group.finished';
      data: { group: string; outcome: GroupOutcome; reason: string; after: GroupBaseline | null };
    }
  /** Before every mutating call. `key` names the action uniquely within the release. */
  | {
      type: 'intent';
      data: { key: string; group: string; action: string; arguments: JsonObject; why: string };
    }
  /** After it. `result` is null for calls without an answer. */
  | {
      type: 'outcome';
      data: {
        key: string;
        status: 'done' | 'failed' | 'unknown';
        result: JsonObject | null;
        error: string | null;
      };
    }
  /** A gate or drain changed its answer about an instance (not every poll). */
  | {
      type: 'answer';
      data: {
        group: string;
        instance: string;
        source: string;
        status: 'passed' | 'waiting' | 'failed';
        reason: string;
      };
    }
  /**
   * Fleet sizes whenever they changed, for the report's timeline. `target` counts the version the group is being
   * moved to: the release's, and between rollback.started and rollback.finished the one it had before.
   */
  | {
      type: 'progress';
      data: {
        group: string;
        target: number;
        previous: number;
        healthy: number;
        total: number;
        desired: number;
      };
    }
  | { type: 'rollback.started'; data: { groups: string[]; reason: string; actor: string } }
  | { type: 'rollback.finished'; data: { outcome: 'rolled-back' | 'stuck'; reason: string } }
  | {
      type: 'release.closed';
      data: { outcome: 'promoted' | 'failed' | 'rolled-back' | 'stuck'; reason: string };
    };

export type EntryType = Entry['type'];
export type EntryOf<T extends EntryType> = Extract<Entry, { type: T }>;

/** One line of the journal. */
export type JournalRecord<E extends Entry = Entry> = E & {
  /** 0, 1, 2, … without gaps. */
  seq: number;
  /** RFC 3339, UTC. */
  at: string;
  /** SHA-256 (hex) of the previous line without its newline; 64 zeros for the first. */
  previous: string;
};

/** What rooms need of a journal. Implementations: journal/directory.ts, and a memory one for tests. */
export interface Journal {
  readonly release: string;
  /** Resolves once the record is on disk (fsync). Rejects, and stays usable for reading, when it cannot be. */
  append(entry: Entry): Promise<JournalRecord>;
  /** Everything so far, in order, this process's own appends included. */
  records(): readonly JournalRecord[];
}
