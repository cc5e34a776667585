/** Writes the IAM policy the README tells users to attach: `npm run policy`. */
import { writeFileSync } from 'node:fs';
import { policyText } from './permissions.ts';

writeFileSync(new URL('../../../.github/aws-policy.json', import.meta.url), policyText());
