/**
 * A Prometheus query over the group, asked at the present instant (GET /api/v1/query, Prometheus HTTP API, "Instant
 * queries"): every value of the result must lie within the limits. A result without values, or one that is not a
 * number (0/0: no traffic), says nothing, so it is waited for; a query the server refuses has failed.
 */
import { z } from 'zod';
import { jsonOf, NoAnswer } from '../services/http.ts';
import { tokenOf } from '../services/token.ts';
import type { GateSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { GateContext } from './gates.ts';

type PrometheusGate = Extract<GateSpec, { type: 'prometheus' }>;

/** Values are text: JSON knows no NaN and no infinity. */
const sample = z.tuple([z.number(), z.string()]);
const answerSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('success'),
    data: z.discriminatedUnion('resultType', [
      z.object({ resultType: z.literal('scalar'), result: sample }),
      z.object({ resultType: z.literal('vector'), result: z.array(z.object({ value: sample })) }),
      z.object({ resultType: z.literal('matrix') }),
      z.object({ resultType: z.literal('string') }),
    ]),
  }),
  z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() }),
]);

export async function prometheus(
  gate: PrometheusGate,
  { http, signal }: Pick<GateContext, 'http' | 'signal'>,
): Promise<Answer> {
  const answered = (status: Answer['status'], reason: string): Answer => ({
    status,
    source: gate.name,
    reason,
  });
  const token = await tokenOf(gate);
  if ('missing' in token) return answered('failed', token.missing);
  const url = new URL(gate.url);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v1/query`;
  url.searchParams.set('query', gate.query);
  try {
    const { status, body } = await http(
      {
        method: 'GET',
        url: url.href,
        headers: {
          accept: 'application/json',
          ...(token.value !== null && { authorization: `Bearer ${token.value}` }),
        },
        timeoutMs: gate.timeoutMs,
      },
      signal,
    );
    return judged(gate, status, body, answered);
  } catch (error) {
    // Monitoring that is away for a moment is no reason to undo a release; at the deadline it is.
    if (error instanceof NoAnswer) return answered('waiting', `${url.host}: ${error.message}`);
    throw error;
  }
}

function judged(
  gate: PrometheusGate,
  status: number,
  body: string,
  answered: (status: Answer['status'], reason: string) => Answer,
): Answer {
  const { host } = new URL(gate.url);
  const parsed = answerSchema.safeParse(jsonOf(body));
  if (!parsed.success) {
    const isAway = status >= 500 || status === 429;
    return answered(isAway ? 'waiting' : 'failed', `${host} answers ${status}, not as Prometheus does`);
  }
  if (parsed.data.status === 'error') {
    const { errorType, error } = parsed.data;
    const isAway = ['timeout', 'canceled', 'unavailable', 'internal'].includes(errorType);
    return answered(isAway ? 'waiting' : 'failed', `${errorType}: ${error}`);
  }
  const { data } = parsed.data;
  if (data.resultType === 'matrix' || data.resultType === 'string') {
    return answered(
      'failed',
      `the query gives a ${data.resultType}; write one that gives a vector or a scalar`,
    );
  }
  const samples = data.resultType === 'vector' ? data.result.map(({ value }) => value) : [data.result];
  const numbers = samples.map(([, text]) => numberOf(text));
  if (numbers.length === 0) return answered('waiting', 'the query gives no value');
  if (numbers.some(Number.isNaN)) return answered('waiting', 'the query gives NaN');
  const outside = numbers.find((value) => value > (gate.max ?? value) || value < (gate.min ?? value));
  if (outside !== undefined) return answered('failed', `${outside} is ${limitsOf(gate, outside)}`);
  return answered('passed', 'within its limits');
}

const limitsOf = ({ min, max }: PrometheusGate, value: number): string =>
  max !== undefined && value > max ? `above ${max}` : `below ${min}`;

/** As Prometheus writes floats: "+Inf" and "-Inf" are numbers too. */
const numberOf = (text: string): number =>
  text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
