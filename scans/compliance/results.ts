/**
 * OpenSCAP's XCCDF results → one result per rule. Refuses whatever is not a complete, trustworthy answer: a
 * truncated file, a run that ended with an error, a log that says packages could not be read.
 *
 * Results: XCCDF 1.2 (NISTIR 7275r4), section 6.6.4.2. Exit codes: oscap(8), xccdf eval: 0 when every rule
 * passed, 2 when at least one failed or is unknown, 1 on an error.
 */
import { XMLParser } from 'fast-xml-parser';
import type { OwnResult } from './own.ts';

export const ruleResults = [
  'pass',
  'fail',
  'error',
  'unknown',
  'notapplicable',
  'notchecked',
  'notselected',
  'informational',
  'fixed',
] as const;
export type RuleResult = (typeof ruleResults)[number];

export interface AuditRun {
  /** `oscap xccdf eval --results` file. */
  resultsXml: string;
  /** Everything oscap said: verbose log, standard error. */
  log: string;
  exitCode: number;
}

export interface AuditAnswer {
  /** e.g. '1.3.7'. */
  scannerVersion: string;
  /** XCCDF rule id → result, without the rules that were not selected. */
  results: Map<string, RuleResult>;
}

/** A run that counts, with its answer. */
export interface RawAudit extends AuditRun {
  answer: AuditAnswer;
  /** Drover's own checks, where the system was asked for them. */
  own: ReadonlyMap<string, OwnResult>;
  /** How long oscap and its preparation took. */
  seconds: number;
}

/** @throws Error with the reason why this run does not count */
export function readAudit(run: AuditRun): AuditAnswer {
  if (run.exitCode !== 0 && run.exitCode !== 2) {
    throw new Error(`oscap ended with ${run.exitCode}: ${lastComplaint(run.log)}`);
  }
  // Then every package test of the run is false, whatever is installed.
  if (/dpkginfo_init has failed/.test(run.log)) {
    throw new Error(
      'oscap could not read the package state ("dpkginfo_init has failed"): its results are false',
    );
  }
  const answer = parseResults(run.resultsXml);
  if (answer.results.size === 0) throw new Error('oscap evaluated no rule');
  return answer;
}

function parseResults(xml: string): AuditAnswer {
  // The results stand at the end of a copy of the whole benchmark; only they are parsed.
  const start = /<(?:[\w-]+:)?TestResult[\s>]/.exec(xml);
  const end = /<\/(?:[\w-]+:)?TestResult>\s*<\/(?:[\w-]+:)?Benchmark>\s*$/.exec(xml.slice(-400));
  if (!start || !end)
    throw new Error('the results of oscap are incomplete: the file is cut off or holds no TestResult');
  const text = xml.slice(start.index, xml.length - end[0].length + end[0].indexOf('>') + 1);
  const parsed: unknown = parser.parse(text, true);
  const testResult = (parsed as { TestResult: { '@test-system'?: string; 'rule-result'?: unknown } })
    .TestResult;
  const results = new Map<string, RuleResult>();
  for (const entry of entriesOf(testResult['rule-result'])) {
    const id = entry['@idref'];
    const result = ruleResults.find((known) => known === entry.result);
    if (!id || !result)
      throw new Error(`the results of oscap hold an entry that makes no sense: ${id ?? '?'}`);
    if (result !== 'notselected') results.set(id, result);
  }
  return { scannerVersion: testResult['@test-system']?.split(':').at(-1) ?? 'unknown', results };
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
});

const entriesOf = (value: unknown): { '@idref'?: string; result?: string }[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value as { '@idref'?: string; result?: string }];

/** The last line that is not one of the content's notes about remote parts nobody asked for. */
const lastComplaint = (log: string): string =>
  log
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^WARNING: (Datastream component|Skipping)/.test(line))
    .at(-1)
    ?.trim() ?? 'it gave no reason';
