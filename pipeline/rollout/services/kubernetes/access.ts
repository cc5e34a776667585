/**
 * A connection to a Kubernetes API server: where it is, whom one is there, how long a request may take, and one kind
 * of error for whatever goes wrong. It knows nothing of nodes, pods or rollouts.
 */
import type {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  RequestContext,
} from '@kubernetes/client-node';
import type { Clock } from '../../../clock.ts';
import type { Cloud } from '../../../cloud/cloud.ts';
import type { KubernetesCluster } from '../../../config/orchestrators.ts';
import { reasonOf } from '../../../errors.ts';
import { ServiceError } from '../outage.ts';

export interface KubernetesApi {
  core: CoreV1Api;
  apps: AppsV1Api;
  custom: CustomObjectsApi;
  /** One request. @throws ApiError for every refusal and every answer that does not come */
  call<T>(what: string, request: () => Promise<T>): Promise<T>;
}

/** What the API server said no to, or that it said nothing. */
export class ApiError extends ServiceError {
  /** Null when no answer came. */
  readonly status: number | null;
  /** The server's own sentence. */
  readonly said: string;
  /** The server's reasons, one sentence each. */
  readonly causes: string[];
  /** When the server wants to be asked again, milliseconds from now. */
  readonly retryAfterMs: number | null;
  constructor(
    what: string,
    said: string,
    cause: unknown,
    {
      status = null,
      causes = [],
      retryAfterMs = null,
    }: Partial<Pick<ApiError, 'status' | 'causes' | 'retryAfterMs'>> = {},
  ) {
    super(`${what}: ${status === null ? '' : `${status}: `}${said}`, { cause });
    this.name = 'ApiError';
    this.said = said;
    this.status = status;
    this.causes = causes;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A page of 500 nodes from a busy API server takes seconds; what takes longer does not come. */
const requestTimeoutMs = 15_000;
/** A token is replaced this long before it expires. */
const tokenMarginMs = 60_000;

/** Opens no connection by itself. @throws ApiError when the configuration it names cannot be read */
export async function connect(
  cluster: KubernetesCluster,
  { cloud, clock }: { cloud: Pick<Cloud, 'clusterToken'>; clock: Clock },
): Promise<KubernetesApi> {
  // Half a second and many modules, which only fleets on Kubernetes need to pay for.
  const library = await import('@kubernetes/client-node');
  const config = new library.KubeConfig();
  const place = placeOf(cluster);
  try {
    load(config, cluster);
  } catch (error) {
    throw new ApiError(place, reasonOf(error), error);
  }
  const server = config.getCurrentCluster()!.server;
  const bearer = cluster.type === 'eks' ? tokens(cluster.name, { cloud, clock }) : null;
  let dispatcher: ReturnType<RequestContext['getDispatcher']>;
  const authentication = {
    getName: () => 'drover',
    async applySecurityAuthentication(request: RequestContext) {
      const limit = AbortSignal.timeout(requestTimeoutMs);
      request.setSignal(limit);
      // May run a program of the user's (a kubeconfig's `exec`), which nobody else bounds.
      await Promise.race([config.applySecurityAuthentication(request), whenAborted(limit)]);
      // The library makes a new connection pool for every request; the first one serves all.
      dispatcher ??= request.getDispatcher();
      if (dispatcher) request.setDispatcher(dispatcher);
      if (bearer) request.setHeaderParam('Authorization', `Bearer ${await bearer()}`);
    },
  };
  const configuration = library.createConfiguration({
    baseServer: new library.ServerConfiguration(server, {}),
    authMethods: { default: authentication },
  });
  return {
    core: new library.CoreV1Api(configuration),
    apps: new library.AppsV1Api(configuration),
    custom: new library.CustomObjectsApi(configuration),
    async call(what, request) {
      try {
        return await request();
      } catch (error) {
        throw explained(`${what} of ${server}`, error);
      }
    },
  };
}

/** For messages. */
export const placeOf = (cluster: KubernetesCluster): string =>
  cluster.type === 'eks' ? `EKS cluster ${cluster.name}` : `Kubernetes context ${cluster.context}`;

function load(config: KubeConfig, cluster: KubernetesCluster): void {
  if (cluster.type === 'eks') {
    const { name, endpoint, ca } = cluster;
    config.loadFromClusterAndUser({ name, server: endpoint, caData: ca, skipTLSVerify: false }, { name });
    return;
  }
  if (cluster.file) config.loadFromFile(cluster.file);
  else config.loadFromDefault();
  config.setCurrentContext(cluster.context);
  if (!config.getCurrentCluster()) {
    const known = config.getContexts().map(({ name }) => name);
    throw new Error(
      `no such context in ${cluster.file ?? 'the kubeconfig'}; it has ${known.join(', ') || 'none'}`,
    );
  }
}

function tokens(name: string, { cloud, clock }: { cloud: Pick<Cloud, 'clusterToken'>; clock: Clock }) {
  let held: { token: string; expiresAt: number } | null = null;
  return async (): Promise<string> => {
    if (!held || clock.now() >= held.expiresAt - tokenMarginMs)
      held = await cloud.clusterToken(name, clock.now());
    return held.token;
  };
}

const whenAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

/** The parts of a meta/v1 Status that matter here. */
interface Status {
  message?: string;
  details?: { causes?: { message?: string }[]; retryAfterSeconds?: number };
}

function explained(what: string, error: unknown): ApiError {
  const { code, body, headers } = error as Partial<ApiException<unknown>>;
  if (typeof code !== 'number') {
    // Undici's fetch says only that it failed; why is its cause.
    const deepest = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return new ApiError(what, `no answer (${reasonOf(deepest)})`, error);
  }
  const { message, details } = statusOf(body);
  const seconds = Number(headers?.['retry-after'] ?? details?.retryAfterSeconds ?? Number.NaN);
  return new ApiError(what, message ?? 'no reason given', error, {
    status: code,
    causes: details?.causes?.flatMap((cause) => cause.message ?? []) ?? [],
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : null,
  });
}

function statusOf(body: unknown): Status {
  if (typeof body !== 'string') return (body ?? {}) as Status;
  try {
    return JSON.parse(body) as Status;
  } catch {
    // A proxy's page: its first words are all there is to show.
    return { message: body.slice(0, 200) };
  }
}
