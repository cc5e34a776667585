/**
 * The rule of a composite alarm: ALARM("a") AND NOT (OK(b) OR INSUFFICIENT_DATA("c")), with TRUE and FALSE; alarms by
 * name or ARN, quoted or not. NOT binds more tightly than AND, AND more tightly than OR.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
 */
import type { AlarmState } from './alarms.ts';
import { validationError } from './errors.ts';

export interface AlarmRule {
  /** The alarms it refers to, by name. */
  alarms: Set<string>;
  holds(stateOf: (alarm: string) => AlarmState): boolean;
}

type Condition = AlarmRule['holds'];

const token =
  /\s*(?:(?<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?<quoted>[^"]*)"|(?<bare>[^()"\s]+))\s*\)|(?<word>AND|OR|NOT|TRUE|FALSE|\(|\)))/y;

export function parseRule(text: string): AlarmRule {
  const alarms = new Set<string>();
  let position = 0;
  let next: { state?: string; quoted?: string; bare?: string; word?: string } | null = null;
  const advance = (): void => {
    token.lastIndex = position;
    const match = token.exec(text);
    next = match?.groups ?? null;
    if (match) position = token.lastIndex;
  };
  const refuse = (): never => {
    throw validationError(
      `Invalid AlarmRule: syntax error near '${text.slice(Math.max(0, position - 20))}'.`,
    );
  };
  const takes = (word: string): boolean => {
    if (next?.word !== word) return false;
    advance();
    return true;
  };
  const alternatives = (): Condition => {
    const parts = [conjunction()];
    while (takes('OR')) parts.push(conjunction());
    return (stateOf) => parts.some((part) => part(stateOf));
  };
  const conjunction = (): Condition => {
    const parts = [term()];
    while (takes('AND')) parts.push(term());
    return (stateOf) => parts.every((part) => part(stateOf));
  };
  const term = (): Condition => {
    if (takes('NOT')) {
      const negated = term();
      return (stateOf) => !negated(stateOf);
    }
    if (takes('TRUE')) return () => true;
    if (takes('FALSE')) return () => false;
    if (takes('(')) {
      const inner = alternatives();
      if (!takes(')')) refuse();
      return inner;
    }
    const { state, quoted, bare } = next ?? refuse();
    const alarm = (quoted ?? bare)?.replace(/^arn:.*:alarm:/, '');
    if (state === undefined || alarm === undefined) return refuse();
    alarms.add(alarm);
    advance();
    return (stateOf) => stateOf(alarm) === state;
  };
  advance();
  const holds = alternatives();
  if (next !== null || text.slice(position).trim() !== '') refuse();
  return { alarms, holds };
}
