/** An error as an AWS service answers it: a code clients branch on, a message for people, an HTTP status. */
export class ServiceError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = 'ServiceError';
    this.code = code;
    this.status = status;
  }
}

/** Auto Scaling's and Elastic Load Balancing's answer to input they do not accept. */
export const validationError = (message: string): ServiceError =>
  new ServiceError('ValidationError', message);

/** Services whose errors have names of their own; the others follow the common errors of the Query APIs. */
const ownCodes: Record<string, { throttled: [string, number]; denied: [string, number]; failed: string }> = {
  // https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-error-codes.html
  ec2: {
    throttled: ['RequestLimitExceeded', 503],
    denied: ['UnauthorizedOperation', 403],
    failed: 'InternalError',
  },
  // https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html
  ssm: {
    throttled: ['ThrottlingException', 400],
    denied: ['AccessDeniedException', 400],
    failed: 'InternalServerError',
  },
};
/** https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html */
const commonCodes: (typeof ownCodes)[string] = {
  throttled: ['Throttling', 400],
  denied: ['AccessDenied', 403],
  failed: 'InternalFailure',
};
const codesOf = (service: string) => ownCodes[service] ?? commonCodes;

export function throttled(service: string): ServiceError {
  const [code, status] = codesOf(service).throttled;
  return new ServiceError(code, service === 'ec2' ? 'Request limit exceeded.' : 'Rate exceeded', status);
}

/** The words of IAM for an identity whose policies do not name the action. */
export function denied(accountId: string, service: string, operation: string): ServiceError {
  const [code, status] = codesOf(service).denied;
  const action = `${service}:${operation}`;
  const who = `arn:aws:iam::${accountId}:user/simulator`;
  return new ServiceError(
    code,
    `User: ${who} is not authorized to perform: ${action} because no identity-based policy allows the ${action} action`,
    status,
  );
}

export const serverError = (service: string): ServiceError =>
  new ServiceError(codesOf(service).failed, 'An internal error has occurred', 500);
