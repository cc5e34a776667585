/**
 * The SDK's clients answered within this process: requests are neither written nor signed, answers neither sent nor
 * parsed, and retries wait on the given clock. All else is the SDK's own: paginators, retry decisions, and errors,
 * which come as the service words them and are read by the service's own protocol.
 */
import { HttpRequest, HttpResponse } from '@smithy/core/protocols';
import { MAXIMUM_RETRY_DELAY, Retry } from '@smithy/core/retry';
import type { Clock } from '../../clock.ts';

/** Who answers, an account in this process: pipeline/simulator is one. */
export interface Account {
  /**
   * @param signingName the service, as credentials name it: 'ec2', 'autoscaling'
   * @param input and the answer's output in the SDK's own shape; nothing of them is shared with the account
   * @returns the output, or an error as an HTTP answer in the service's protocol
   * @throws what a broken connection would, when the answer is lost
   */
  call(signingName: string, operation: string, input: object): Answer | Promise<Answer>;
}
type Answer =
  | { output: object }
  | { status: number; headers: Record<string, string>; body: string | Uint8Array };

/** What is changed about a client. The SDK's types keep these parts of its configuration to themselves. */
interface InnerClient {
  config: {
    defaultSigningName: string;
    protocol: {
      serializeRequest(operation: OperationSchema, input: object, context: object): Promise<unknown>;
      deserializeResponse(operation: OperationSchema, context: object, response: unknown): Promise<unknown>;
    };
    requestHandler: unknown;
    retryStrategy: unknown;
  };
  middlewareStack: { remove(name: string): boolean };
}
interface OperationSchema {
  name: string;
}
interface RetryToken {
  getRetryCount(): number;
  getRetryDelay(): number;
}
/** Passes through the SDK where a request's body would. */
interface Call {
  operation: string;
  input: object;
}

/** What only a network, or a log of what went over it, needs. */
const transportMiddleware = [
  'loggerMiddleware',
  'contentLengthMiddleware',
  'getUserAgentMiddleware',
  'hostHeaderMiddleware',
  'recursionDetectionMiddleware',
  'httpSigningMiddleware',
];

/** Turns a client that has not called anything yet. */
export function answerInProcess(client: unknown, account: Account, clock: Clock, maxAttempts: number): void {
  const { config, middlewareStack } = client as InnerClient;
  const { defaultSigningName, protocol } = config;
  for (const name of transportMiddleware) middlewareStack.remove(name);
  config.protocol = {
    ...protocol,
    serializeRequest: async ({ name }, input) => new HttpRequest({ body: { operation: name, input } }),
    deserializeResponse: async (operation, context, response) => {
      const { body } = response as HttpResponse;
      return body instanceof Uint8Array
        ? protocol.deserializeResponse(operation, context, response)
        : { ...body, $metadata: { httpStatusCode: 200 } };
    },
  };
  config.requestHandler = {
    async handle(request: HttpRequest) {
      const { operation, input } = request.body as Call;
      const answer = await account.call(defaultSigningName, operation, input);
      if ('output' in answer) {
        return { response: new HttpResponse({ statusCode: 200, body: answer.output }) };
      }
      const { status: statusCode, headers, body } = answer;
      return { response: new HttpResponse({ statusCode, headers, body: Buffer.from(body) }) };
    },
  };
  const strategy = retryStrategy(clock, maxAttempts);
  config.retryStrategy = async () => strategy;
}

/**
 * As the SDK's standard strategy, but waiting on a clock, and without jitter and a budget over many calls: on a virtual
 * clock nothing may depend on chance. Which errors are worth another attempt the SDK has decided.
 */
function retryStrategy(clock: Clock, maxAttempts: number) {
  const token = (retries: number): RetryToken => ({ getRetryCount: () => retries, getRetryDelay: () => 0 });
  return {
    acquireInitialRetryToken: async () => token(0),
    async refreshRetryTokenForRetry(previous: RetryToken, { errorType }: { errorType: string }) {
      const retries = previous.getRetryCount();
      if (errorType === 'CLIENT_ERROR' || retries + 1 >= maxAttempts) throw new Error('no further attempt');
      const baseMs = errorType === 'THROTTLING' ? Retry.throttlingDelay() : Retry.delay();
      await clock.sleep(Math.min(MAXIMUM_RETRY_DELAY, baseMs * 2 ** retries));
      return token(retries + 1);
    },
    recordSuccess() {},
  };
}
