/**
 * The bearer token an EKS cluster accepts, made without the AWS CLI: a presigned STS GetCallerIdentity URL that is
 * bound to the cluster by the signed header x-k8s-aws-id, as base64url without padding behind 'k8s-aws-v1.'
 * (aws-iam-authenticator, README, "API Authorization from Outside a Cluster"). Nothing is sent; the cluster is the
 * one that asks STS who we are.
 */
import { STSClient } from '@aws-sdk/client-sts';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Cloud } from '../cloud.ts';
import type { AwsOptions } from './clients.ts';

/** Ignored by STS; authenticators of old accept 0 to 60 (aws-iam-authenticator, pkg/token). */
const expiresParameterSeconds = 60;
/** From X-Amz-Date on, whatever the parameter says (the same source). */
const validityMs = 15 * 60_000;

export function clusterTokens(options: AwsOptions): Cloud['clusterToken'] {
  const { region } = options;
  const sts = new STSClient({
    region,
    ...(options.credentials !== undefined && { credentials: options.credentials }),
  });
  const { credentials, sha256, endpointProvider } = sts.config;
  const signer = new SignatureV4({ credentials, region, service: 'sts', sha256 });
  // The region's own STS, whose name differs between partitions.
  const { hostname } = endpointProvider({ Region: region, UseGlobalEndpoint: false }).url;

  return async (cluster, signedAt) => {
    const request = new HttpRequest({
      method: 'GET',
      protocol: 'https:',
      hostname,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host: hostname, 'x-k8s-aws-id': cluster },
    });
    const signed = await signer.presign(request, {
      signingDate: new Date(signedAt),
      expiresIn: expiresParameterSeconds,
    });
    const url = `https://${hostname}/?${new URLSearchParams(signed.query as Record<string, string>)}`;
    return {
      token: `k8s-aws-v1.${Buffer.from(url).toString('base64url')}`,
      expiresAt: signedAt + validityMs,
    };
  };
}
