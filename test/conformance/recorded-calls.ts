/** What clients of a simulator ask of it, as IAM would see it: each call on each of its resources, with their tags. */
import type { SimulatorServer } from '../../pipeline/simulator/server.ts';
import type { Request } from './iam.ts';

const kinds: Record<string, string> = {
  i: 'instance',
  ami: 'image',
  snap: 'snapshot',
  vol: 'volume',
  sg: 'security-group',
  subnet: 'subnet',
  vpc: 'vpc',
};
/** What a call makes has no id yet. */
const made: Record<string, string[]> = {
  RunInstances: ['instance/new'],
  CreateImage: ['image/new', 'snapshot/new'],
  CreateKeyPair: ['key-pair/new'],
  CreateSecurityGroup: ['security-group/new'],
};

/** Collects from now on. EC2's query protocol only; another service's calls are 'other:…'. */
export function recordCalls({ simulator }: SimulatorServer): Request[] {
  const requests: Request[] = [];
  const { answer } = simulator;
  simulator.answer = (request) => {
    const parameters = [...new URLSearchParams(String(request.body))];
    const action = parameters.find(([name]) => name === 'Action')?.[1] ?? '?';
    const isEc2 = parameters.some(([name, value]) => name === 'Version' && value === '2016-11-15');
    requests.push(
      ...requestsOf(`${isEc2 ? 'ec2' : 'other'}:${action}`, parameters, tagsById(simulator.world)),
    );
    return answer.call(simulator, request);
  };
  return requests;
}

function requestsOf(action: string, parameters: [string, string][], tags: Map<string, object>): Request[] {
  const name = action.split(':')[1]!;
  const requested = parameters.flatMap(([key, value]) => (/Tag\.\d+\.Key$/.test(key) ? [value] : []));
  const base = Object.fromEntries(requested.map((key) => [`aws:requesttag/${key.toLowerCase()}`, 'given']));
  if (name.startsWith('Describe')) return [{ action, resource: '*', context: {} }];
  const ids = parameters.map(([, value]) => value).filter((value) => /^[a-z]+-[0-9a-f]{8,}$/.test(value));
  const named = [...new Set(ids)].map((id) => ({
    path: `${kinds[id.split('-')[0]!] ?? 'unknown'}/${id}`,
    tags: tags.get(id) ?? {},
  }));
  const all = [...named, ...(made[name] ?? []).map((path) => ({ path, tags: {} }))];
  const resources = all.length > 0 ? all : [{ path: 'any/any', tags: {} }];
  return resources.map(({ path, tags: own }) => ({
    action,
    resource: `arn:aws:ec2:eu-central-1:${/^(image|snapshot)/.test(path) ? '' : '123456789012'}:${path}`,
    context: {
      ...base,
      ...Object.fromEntries(
        Object.entries(own).map(([key, value]) => [`aws:resourcetag/${key.toLowerCase()}`, String(value)]),
      ),
    },
  }));
}

const tagsById = (world: SimulatorServer['simulator']['world']): Map<string, object> =>
  new Map(
    [world.instances, world.images, world.snapshots].flatMap((things) =>
      Object.values(things).map(({ id, tags }) => [id, tags] as const),
    ),
  );
