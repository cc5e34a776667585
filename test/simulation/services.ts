/**
 * What is asked in a scenario: the application on every instance, and per group the services that are told, by HTTP or
 * by a command, to drain an instance and to end the work of one behind a termination hook. All in virtual time, with the truth next to
 * it, so that safety can be judged by what these services know rather than by what they were heard to say.
 */
import type { Clock } from '../../pipeline/clock.ts';
import type { JournalRecord } from '../../pipeline/journal/records.ts';
import type { RunCommand } from '../../pipeline/rollout/services/command.ts';
import { type Http, NoAnswer } from '../../pipeline/rollout/services/http.ts';
import { probe, works } from '../../pipeline/simulator/model/behaviour.ts';
import type { Instance, World } from '../../pipeline/simulator/model/state.ts';
import { nameOf } from './account.ts';
import type { HttpWeather, Scenario, WorkDraw } from './scenario.ts';

export type Service = 'drain' | 'jobs';

export interface Services {
  http: Http;
  runCommand: RunCommand;
  /** The application takes requests, so that a load balancer should send it some. */
  isReady(instance: Instance): boolean;
  /** The service has ended its work on the instance, which it was asked for. */
  isDone(service: Service, group: string, instance: string): boolean;
  /** It has said that it cannot. */
  hasFailed(service: Service, group: string, instance: string): boolean;
  /** It is at work on the instance, or has ended it, and was not asked to give it back. */
  holds(service: Service, group: string): string[];
  /** A record has been written: no command gives work back, so an instance the engine undrains is its own again. */
  heard(record: JournalRecord): void;
}

export const urlOf = (service: Service, group: string): string => `http://${service}.${group}.example/`;

/** Well within any timeout of a request. */
const lateMs = 4_000;

export function servicesOf(scenario: Scenario, world: World, clock: Clock, advance: () => void): Services {
  const startedAt = clock.now();
  const draws = new Map(scenario.groups.map((drawn, index) => [nameOf(index), drawn]));
  /** When each service was first asked about an instance. */
  const begun = new Map<string, number>();
  const failed = new Set<string>();
  const asked = new Map<string, number>();
  const key = (service: Service, group: string, instance: string) => `${service} ${group} ${instance}`;
  const workOf = (service: Service, group: string): WorkDraw | null =>
    (service === 'drain' ? draws.get(group)?.hookDrain : draws.get(group)?.handover) ?? null;

  function isReady(instance: Instance): boolean {
    const gate = draws.get(instance.groupName ?? '')?.httpGate;
    if (!works(world, instance)) return false;
    const weather = gate ? weatherNow() : null;
    if (weather === 'none' || weather === 'bad') return false;
    return (
      !gate || clock.now() >= instance.runningSince! + instance.conduct.readyAfterMs! + gate.slowS * 1000
    );
  }

  function isDone(service: Service, group: string, instance: string): boolean {
    const since = begun.get(key(service, group, instance));
    const work = workOf(service, group);
    return since !== undefined && work?.workS != null && clock.now() >= since + work.workS * 1000;
  }

  /** A new application that flaps answers well every other time: never often enough in a row. */
  function application(hostname: string): { status: number; body: string } {
    const instance = Object.values(world.instances).find((one) => one.privateAddress === hostname);
    if (instance?.state !== 'running') throw new NoAnswer('no answer within 5 s');
    if (isReady(instance)) return probe(world, instance);
    const { httpGate, passes } = draws.get(instance.groupName ?? '') ?? {};
    const count = (asked.get(instance.id) ?? 0) + 1;
    asked.set(instance.id, count);
    const isFooled = httpGate?.flaps && passes! > 1 && works(world, instance) && count % 2 === 0;
    return isFooled ? { status: 200, body: 'ok\n' } : { status: 503, body: 'starting\n' };
  }

  /** A service, asked to begin if it has not, says whether it is done. */
  function askedOf(service: Service, group: string, instance: string): boolean {
    const id = key(service, group, instance);
    if (!begun.has(id)) begun.set(id, clock.now());
    return isDone(service, group, instance);
  }

  function service(hostname: string, body: string): { status: number; body: string } {
    const [name, group] = hostname.split('.') as [Service, string];
    const { request, instance } = JSON.parse(body) as { request: string; instance: { id: string } };
    const id = key(name, group, instance.id);
    if (request === 'abort') {
      begun.delete(id);
      return { status: 200, body: 'given back' };
    }
    return askedOf(name, group, instance.id)
      ? { status: 200, body: 'done' }
      : { status: 202, body: 'still at work' };
  }

  const weatherNow = (): HttpWeather['does'] | null => {
    const forS = (clock.now() - startedAt) / 1000;
    return scenario.http.find((one) => forS >= one.atS && forS < one.atS + one.forS)?.does ?? null;
  };

  return {
    async http({ url, body = '', timeoutMs }, signal) {
      const { hostname } = new URL(url);
      const does = weatherNow();
      if (does === 'late') await clock.sleep(Math.min(lateMs, timeoutMs), signal);
      if (does === 'none') {
        await clock.sleep(timeoutMs, signal);
        throw new NoAnswer(`no answer within ${timeoutMs / 1000} s`);
      }
      advance();
      if (does === 'bad') {
        if (body) {
          const [name, group] = hostname.split('.') as [Service, string];
          failed.add(key(name, group, (JSON.parse(body) as { instance: { id: string } }).instance.id));
        }
        return { status: 500, body: 'error\n' };
      }
      return body ? service(hostname, body) : application(hostname);
    },
    async runCommand([name], { group, instance }, timeoutMs, signal) {
      const service = name as Service;
      const does = weatherNow();
      if (does === 'late') await clock.sleep(Math.min(lateMs, timeoutMs), signal);
      if (does === 'none') {
        await clock.sleep(timeoutMs, signal);
        return { kind: 'timeout', reason: `no answer within ${timeoutMs / 1000} s` };
      }
      advance();
      if (does === 'bad') {
        failed.add(key(service, group, instance.id));
        return { kind: 'no', reason: 'exit 1' };
      }
      return askedOf(service, group, instance.id)
        ? { kind: 'yes' }
        : { kind: 'not-yet', reason: 'still at work' };
    },
    heard({ type, data }) {
      if (type !== 'intent' || data.action !== 'undrain') return;
      if (draws.get(data.group)?.hookDrain?.by !== 'command') return;
      const { instances } = data.arguments as { instances: string[] };
      for (const id of instances) begun.delete(key('drain', data.group, id));
    },
    isReady,
    isDone,
    hasFailed: (service, group, instance) => failed.has(key(service, group, instance)),
    holds: (service, group) =>
      [...begun.keys()].filter((id) => id.startsWith(`${service} ${group} `)).map((id) => id.split(' ')[2]!),
  };
}
