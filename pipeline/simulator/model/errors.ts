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
