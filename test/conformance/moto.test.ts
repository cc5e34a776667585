/** The same session against moto: where it and the simulator agree, both are more likely to agree with AWS. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { describe } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { eventually } from '../simulator/clients.ts';
import { available } from './optional.ts';
import { conformsToAws, type Difference, type Endpoint } from './session.ts';
import { type MemberDifference, membersConformToAws } from './session-members.ts';
import { type ServiceDifference, servicesConformToAws } from './session-services.ts';

const moto = {
  name: 'moto',
  command: process.env.DROVER_MOTO_SERVER ?? 'moto_server',
  probe: ['--help'],
  remedy:
    "pip install 'moto[ec2,autoscaling,elbv2,cloudwatch,ssm,server]', or name its moto_server in DROVER_MOTO_SERVER.",
};

/** Observed in moto 5.2; AWS does as the simulator does (the API references of the operations). */
const differences: Difference[] = [
  'inheritance from a source version',
  'spread over zones',
  'refusal: an instance id that is none',
  'refusal: a group name in use',
  'refusal: terminating an instance of no group',
];

const memberDifferences: MemberDifference[] = [
  // Keeps hooks, but launches as if there were none.
  // https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
  'hooks hold instances up',
  // Moves what is not there, and says nothing. https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnterStandby.html
  'refusals of members',
];

const serviceDifferences: ServiceDifference[] = [
  // Fails with a page in HTML. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
  'composite alarms follow their rule',
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html
  'refusal: an alarm somebody depends on',
  // "You can't delete the default version": deletes it, and fails in HTML afterwards.
  // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplateVersions.html
  'refusal: deleting the default version',
  'numbers of deleted versions are not used again',
];

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

async function startMoto(): Promise<Endpoint> {
  const port = await freePort();
  const server = spawn(moto.command, ['--host', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  const answers = () =>
    fetch(`${endpoint}/moto-api/`).then(
      (response) => response.ok,
      () => false,
    );
  await eventually(wallClock, 'moto answers', answers, { withinMs: 50_000, everyMs: 200 });
  return {
    endpoint,
    async close() {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.kill();
      await gone;
    },
  };
}

describe('moto', () => {
  if (!available(moto)) return;
  describe('a rollout by hand', () => conformsToAws(startMoto, differences));
  describe('members of a group', () => membersConformToAws(startMoto, memberDifferences));
  describe('services around it', () => servicesConformToAws(startMoto, serviceDifferences));
});
