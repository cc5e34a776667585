/** The same session against moto: where it and the simulator agree, both are more likely to agree with AWS. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { describe } from 'vitest';
import { wallClock } from '../../pipeline/clock.ts';
import { eventually } from '../simulator/clients.ts';
import { available } from './optional.ts';
import { conformsToAws, type Difference, type Endpoint } from './session.ts';

const moto = {
  name: 'moto',
  command: process.env.DROVER_MOTO_SERVER ?? 'moto_server',
  probe: ['--help'],
  remedy: "pip install 'moto[ec2,autoscaling,elbv2,server]', or name its moto_server in DROVER_MOTO_SERVER.",
};

/** Observed in moto 5.2; AWS does as the simulator does (the API references of the operations). */
const differences: Difference[] = [
  'inheritance from a source version',
  'spread over zones',
  'refusal: an instance id that is none',
  'refusal: a group name in use',
  'refusal: terminating an instance of no group',
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
  if (available(moto)) conformsToAws(startMoto, differences);
});
