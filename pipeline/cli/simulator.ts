/** `drover simulator start`: the simulated AWS on a port, for any client that honours AWS_ENDPOINT_URL. */
import { join } from 'node:path';
import { Refused } from '../errors.ts';
import { openSimulator } from '../simulator/host.ts';
import { worldFrom } from '../simulator/world.ts';
import { configOf, type Session } from './session.ts';

export async function simulatorStart(session: Session, options: { port?: string }): Promise<void> {
  const port = options.port === undefined ? undefined : Number(options.port);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new Refused('invalid', `--port ${options.port} is not a port`, 'Give a number from 1 to 65535.');
  }
  const { clock, stateDirectory, signal } = session;
  const directory = join(stateDirectory, 'simulator');
  const simulator = await openSimulator({ directory, world: worldFrom(configOf(session)), clock, port });
  const { endpoint } = simulator;
  // At once, also as JSON: the command goes on until it is stopped.
  console.log(
    session.options.json
      ? JSON.stringify({ endpoint })
      : `AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=simulator AWS_SECRET_ACCESS_KEY=simulator\nCtrl-C ends it; its state is kept in ${directory}.`,
  );
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
    // An abort listener alone does not keep the process alive where another process hosts the world.
    setInterval(() => {}, 60_000);
  });
  await simulator.close();
}
