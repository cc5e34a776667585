/**
 * How the services that speak REST refuse: none of them is here, but whoever asks gets an answer its client can read.
 * https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
import { ServiceError } from '../model/errors.ts';
import type { Protocol } from './protocol.ts';
import { element, escaped } from './xml.ts';

const refusals = {
  read: () => ({}),
  write() {
    throw new Error('no service here speaks REST');
  },
  missing: (path: string) => new ServiceError('ValidationException', `${path} is missing.`),
};

export const restJson: Protocol = {
  ...refusals,
  writeError: ({ requestId }, { code, message }) => ({
    headers: { 'content-type': 'application/json', 'x-amzn-requestid': requestId, 'x-amzn-errortype': code },
    body: JSON.stringify({ message }),
  }),
  unknownOperation: (name) =>
    new ServiceError('UnknownOperationException', `This account has no ${name}.`, 404),
  unsigned: () =>
    new ServiceError('MissingAuthenticationTokenException', 'Missing Authentication Token', 403),
};

export const restXml: Protocol = {
  ...refusals,
  writeError: ({ requestId }, { code, message }) => ({
    headers: { 'content-type': 'application/xml', 'x-amz-request-id': requestId },
    body: element('Error', element('Code', code) + element('Message', escaped(message))),
  }),
  unknownOperation: (name) => new ServiceError('NotImplemented', `This account has no ${name}.`, 501),
  unsigned: () => new ServiceError('AccessDenied', 'Access Denied', 403),
};
