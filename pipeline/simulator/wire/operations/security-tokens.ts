/** AWS STS: who am I? Packer and the AWS CLI ask before they do anything. */
import type { World } from '../../model/state.ts';
import type { Operation } from '../services.ts';

export const securityTokenOperations: Record<string, Operation> = {
  /** API reference, GetCallerIdentity: needs no permission, so it tells whether credentials work at all. */
  GetCallerIdentity: ({ accountId }: World) => ({
    UserId: 'AIDASIMULATED',
    Account: accountId,
    Arn: `arn:aws:iam::${accountId}:user/simulator`,
  }),
};
