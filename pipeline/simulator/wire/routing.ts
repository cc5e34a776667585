/** Which service, operation and protocol a request means. A service this account lacks is answered in its own protocol. */
import type { Addressed } from './call.ts';
import { awsJson, smithyRpcV2Cbor } from './json.ts';
import { type Protocol, parametersOf, type WireRequest } from './protocol.ts';
import { restJson, restXml } from './rest.ts';
import { absentService, type Service, services } from './services.ts';
import { queryProtocol } from './xml.ts';

export function addressOf(request: WireRequest): Addressed {
  return rpcV2(request) ?? json(request) ?? query(request) ?? rest(request);
}

/** /service/GraniteServiceVersion20100801/operation/PutMetricAlarm */
function rpcV2({ url, headers }: WireRequest): Addressed | null {
  const path = /^\/service\/([^/?]+)\/operation\/([^/?]+)/.exec(url);
  if (!path || headers['smithy-protocol'] !== 'rpc-v2-cbor') return null;
  return { service: byTarget(path[1]!, headers), operation: path[2]!, protocol: smithyRpcV2Cbor };
}

/** x-amz-target: AmazonSSM.GetParameter */
function json({ headers }: WireRequest): Addressed | null {
  const [, target, operation] = /^(.*)\.([^.]+)$/.exec(headers['x-amz-target'] ?? '') ?? [];
  if (target === undefined || operation === undefined) return null;
  const version = headers['content-type']?.endsWith('1.0') ? '1.0' : '1.1';
  return { service: byTarget(target, headers), operation, protocol: awsJson(version) };
}

function query(request: WireRequest): Addressed | null {
  const parameters = parametersOf(request);
  const operation = parameters.get('Action');
  if (operation === null) return null;
  const version = parameters.get('Version') ?? '';
  const signingName = signingNameOf(request.headers, parameters);
  const service =
    services.find((one) => one.signingName === signingName && one.version === version) ??
    services.find((one) => one.version === version) ??
    absentService(signingName, version);
  return { service, operation, protocol: queryProtocol(service.dialect) };
}

/** None of the services here speaks REST. */
function rest(request: WireRequest): Addressed {
  const signingName = signingNameOf(request.headers, parametersOf(request));
  const [path] = request.url.split('?');
  const protocol: Protocol = signingName === 's3' ? restXml : restJson;
  return { service: absentService(signingName, ''), operation: `${request.method} ${path}`, protocol };
}

const byTarget = (target: string, headers: WireRequest['headers']): Service =>
  services.find((service) => service.target === target) ??
  absentService(signingNameOf(headers, new URLSearchParams()), '');

/** From the credential's scope: '…/20261122/eu-central-1/autoscaling/aws4_request'. */
function signingNameOf({ authorization }: WireRequest['headers'], parameters: URLSearchParams): string {
  const scope = authorization ?? parameters.get('X-Amz-Credential') ?? '';
  return /\/([a-z0-9-]+)\/aws4_request/.exec(scope)?.[1] ?? 'unknown';
}
