/** The EC2 operations this account knows. */
import type { Operation } from '../services.ts';
import * as images from './images.ts';
import * as instances from './instances.ts';
import * as network from './network.ts';
import * as tags from './tags.ts';
import * as templates from './templates.ts';

export const ec2Operations: Record<string, Operation> = {
  ...images,
  ...instances,
  ...network,
  ...tags,
  ...templates,
};
