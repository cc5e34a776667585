/**
 * Asks the instance itself, at its private address: the status must be in the range, the body must say what it has
 * to. Like the health checks of a load balancer it follows no redirect and does not check the certificate, which
 * names no address ("The load balancer does not validate these certificates", Elastic Load Balancing, "Target groups
 * for your Application Load Balancers"). An application still starting often answers wrongly or not at all; one that
 * has been serving and does so has failed.
 */
import { statusRanges } from '../../config/schema.ts';
import { type HttpAnswer, hostOf, NoAnswer } from '../services/http.ts';
import type { GateSpec } from '../spec.ts';
import type { Answer } from '../state.ts';
import type { GateContext, Subject } from './gates.ts';

type HttpGate = Extract<GateSpec, { type: 'http' }>;

export async function http(
  gate: HttpGate,
  { instance, served }: Subject,
  { http: send, signal }: GateContext,
): Promise<Answer> {
  const source = 'http';
  const { privateAddress } = instance;
  if (privateAddress === null) {
    return { status: 'waiting', source, reason: 'EC2 reports no private address yet' };
  }
  const place = `${gate.scheme}://${hostOf(privateAddress)}:${gate.port}${gate.path}`;
  const wrong = await send(
    {
      method: 'GET',
      url: place,
      headers: { 'user-agent': 'drover', ...(gate.host !== undefined && { host: gate.host }) },
      timeoutMs: gate.timeoutMs,
      tls: { verify: false },
    },
    signal,
  ).then(
    (answer) => complaint(gate, answer),
    (error: unknown) => {
      if (error instanceof NoAnswer) return error.message;
      throw error;
    },
  );
  if (wrong === null) return { status: 'passed', source, reason: `${place} answers as it should` };
  return { status: served ? 'failed' : 'waiting', source, reason: `${place}: ${wrong}` };
}

function complaint(gate: HttpGate, { status, body }: HttpAnswer): string | null {
  const isExpected = statusRanges(gate.status)!.some(([from, to]) => status >= from && status <= to);
  if (!isExpected) return `status ${status}, not ${gate.status}`;
  if (gate.contains !== undefined && !body.includes(gate.contains)) {
    return `the body does not contain '${gate.contains}'`;
  }
  if (gate.matches !== undefined && !new RegExp(gate.matches, 'm').test(body)) {
    return `the body does not match /${gate.matches}/`;
  }
  return null;
}
