/** `drover simulator start`: the simulated AWS on a port, for any client that honours AWS_ENDPOINT_URL. */
import { join } from 'node:path';
import { Refused } from '../errors.ts';
import { openSimulator } from '../simulator/host.ts';
import { faultSchema } from '../simulator/model/fault.ts';
import { worldFrom } from '../simulator/world.ts';
import { faultOf } from './fault.ts';
import { configOf, type Session } from './session.ts';

/** Below the options of `drover simulator start --help`. */
export const simulatorHelp = `
Any AWS client works with it that is given the endpoint and any credentials:
  AWS_ENDPOINT_URL=http://127.0.0.1:PORT AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws ec2 describe-instances
The groups are those of \`simulator.groups\` in the configuration; the state is kept between starts.
GET /_simulator says what is in force and what clients asked for in vain; POST and DELETE /_simulator/faults order
faults and take them back; /_simulator/instances/ID/ answers as that instance's software would.

Faults, by kind alone or as JSON, e.g. --fault rate-limits
  --fault '{"kind":"leaks","fails":{"fromMs":60000,"toMs":300000},"environment":"production"}'
  --fault '{"kind":"lost-response","operation":"autoscaling:Terminate*","when":{"calls":3},"count":1}'
Every fault takes when ({atMs} | {afterMs} | {calls, operation} | {events, event}; left out: at once) and forMs, and
${faultSchema.options.map(describe).join('\n')}
`;

function describe({ shape }: (typeof faultSchema.options)[number]): string {
  const names = Object.entries(shape)
    .filter(([name]) => !['kind', 'when', 'forMs'].includes(name))
    .map(([name, schema]) => (schema.safeParse(undefined).success ? `[${name}]` : name));
  return `  ${shape.kind.value.padEnd(18)} ${names.join(' ')}`.trimEnd();
}

export async function simulatorStart(
  session: Session,
  options: { port?: string; fault: string[] },
): Promise<void> {
  const port = options.port === undefined ? undefined : Number(options.port);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new Refused('invalid', `--port ${options.port} is not a port`, 'Give a number from 1 to 65535.');
  }
  const faults = options.fault.map(faultOf);
  const { clock, stateDirectory, signal } = session;
  const directory = join(stateDirectory, 'simulator');
  const simulator = await openSimulator({ directory, world: worldFrom(configOf(session)), clock, port });
  const { endpoint } = simulator;
  for (const fault of faults) await simulator.injectFault(fault);
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
