/** The HTTP port of drains and gates, answered by the test: by method and URL, everything else with no answer. */
import { type Http, type HttpRequest, NoAnswer } from '../../../pipeline/rollout/services/http.ts';

export interface ScriptedHttp {
  http: Http;
  /** What is answered from now on; `after` happens every time it has been. */
  answer(route: string, status: number, body?: unknown, after?: () => void): void;
  asked: HttpRequest[];
  /** 'METHOD url' of every request, in order. */
  routes(): string[];
}

export function scriptedHttp(): ScriptedHttp {
  const answers = new Map<string, { status: number; body: string; after: () => void }>();
  const asked: HttpRequest[] = [];
  return {
    asked,
    routes: () => asked.map(({ method, url }) => `${method} ${url}`),
    answer(route, status, body, after = () => {}) {
      answers.set(route, { status, body: body === undefined ? '' : JSON.stringify(body), after });
    },
    async http(request, signal) {
      signal.throwIfAborted();
      asked.push(request);
      const known = answers.get(`${request.method} ${request.url}`);
      if (!known) throw new NoAnswer('connect ECONNREFUSED');
      known.after();
      return known;
    },
  };
}
