/**
 * What a build may leave behind and an image must not carry: keys, credentials, identities, accounts, passwords,
 * histories. Every instance of the image would share them. Reads the mounted disk; removes nothing.
 */
import { type Dirent, promises as fs } from 'node:fs';
import { join } from 'node:path';
import { linesOf } from './text.ts';

export interface Leftover {
  /** In the image. */
  path: string;
  what: string;
}

/** Ordered by path. @throws Error when a place cannot be read: not looking is not finding nothing */
export async function findLeftovers(root: string): Promise<Leftover[]> {
  const homes = await homesIn(root);
  const found = (
    await Promise.all([
      ...homes.map((home) => inHome(root, home)),
      matching(root, '/etc/ssh', /^ssh_host_.*key/, 'SSH host key'),
      matching(root, '/etc/ssh', /^authorized_keys2?$/, 'SSH key'),
      matching(root, '/etc/ssh/authorized_keys.d', /./, 'SSH key'),
      matching(root, '/etc/ssl/private', /./, 'private key every instance would share'),
      matching(root, '/var/lib/cloud/instances', /./, 'cloud-init state of another instance'),
      matching(root, '/var/lib/systemd', /^random-seed$/, 'random seed every instance would share'),
      matching(root, '/var/lib/systemd', /^credential\.secret$/, 'private key every instance would share'),
      // apt_auth.conf(5)
      matching(root, '/etc/apt', /^auth\.conf$/, 'credentials of a service'),
      matching(root, '/etc/apt/auth.conf.d', /./, 'credentials of a service'),
      matching(root, '/var/log/journal', /./, 'journal of the build'),
      matching(root, '/tmp', /^(?!\.)/, 'temporary file'),
      matching(root, '/var/tmp', /^(?!\.|lost\+found$)/, 'temporary file'),
      identity(root, '/etc/machine-id'),
      identity(root, '/var/lib/dbus/machine-id'),
      accounts(root),
      passwords(root),
      privileges(root),
    ])
  ).flat();
  return found.sort((one, two) => (one.path < two.path ? -1 : 1));
}

/** Of every account, services' included, and what lies where homes usually are. */
async function homesIn(root: string): Promise<string[]> {
  const ofAccounts = linesOf(await read(root, '/etc/passwd')).map((line) => line.split(':')[5] ?? '');
  const usual = (await entries(root, '/home')).map(({ name }) => `/home/${name}`);
  return [...new Set(['/root', ...usual, ...ofAccounts.map((home) => home.replace(/\/+$/, ''))])];
}

async function inHome(root: string, home: string): Promise<Leftover[]> {
  const histories = await matching(root, home, /^\.(.+_history|lesshst|viminfo)$/, 'shell history');
  const keys = await matching(root, `${home}/.ssh`, /^(?!known_hosts|config$|.+\.pub$)/, 'SSH key');
  const credentials = await Promise.all(
    credentialFiles.map(([directory, name]) =>
      matching(root, join(home, directory), name, 'credentials of a service'),
    ),
  );
  return [...histories, ...keys, ...credentials.flat()];
}

/** Where the command line tools of clouds, registries and secret stores keep what lets them in. */
const credentialFiles: readonly (readonly [directory: string, name: RegExp])[] = [
  ['.aws', /^(credentials|config)$/],
  ['.aws/sso/cache', /./],
  ['.azure', /./],
  ['.config/gcloud', /./],
  ['.config/gh', /^hosts\.yml$/],
  ['.terraform.d', /^credentials\.tfrc\.json$/],
  ['.docker', /^config\.json$/],
  ['.kube', /^config$/],
  ['', /^\.(netrc|git-credentials|npmrc|pypirc|vault-token|pgpass|my\.cnf|boto|s3cfg)$/],
];

/** Non-empty files and all directories of one directory that match; none if there is no such directory. */
async function matching(root: string, directory: string, name: RegExp, what: string): Promise<Leftover[]> {
  const found = (await entries(root, directory)).filter((entry) => name.test(entry.name));
  const paths = await Promise.all(
    found.map(async (entry) => {
      const path = `${directory}/${entry.name}`;
      return entry.isFile() && (await fs.lstat(join(root, path))).size === 0 ? [] : [path];
    }),
  );
  return paths.flat().map((path) => ({ path, what }));
}

/** machine-id(5): empty or "uninitialized" until the first boot; D-Bus's is a link to it. */
async function identity(root: string, path: string): Promise<Leftover[]> {
  if ((await fs.lstat(join(root, path)).catch(absent))?.isSymbolicLink()) return [];
  const text = (await read(root, path)).trim();
  return text === '' || text === 'uninitialized' ? [] : [{ path, what: 'machine identity' }];
}

/** Accounts in the range for people (login.defs(5), UID_MIN and UID_MAX of Debian). */
async function accounts(root: string): Promise<Leftover[]> {
  return linesOf(await read(root, '/etc/passwd'))
    .map((line) => line.split(':'))
    .filter(([, , uid]) => Number(uid) >= 1000 && Number(uid) < 60_000)
    .map(([name]) => ({ path: '/etc/passwd', what: `account '${name}'` }));
}

async function passwords(root: string): Promise<Leftover[]> {
  return linesOf(await read(root, '/etc/shadow'))
    .map((line) => line.split(':'))
    .filter(([, hash]) => hash === '' || /^\$|^_|^[./0-9A-Za-z]{13}$/.test(hash ?? ''))
    .map(([name, hash]) => ({
      path: '/etc/shadow',
      what: hash === '' ? `account '${name}' needs no password` : `password of '${name}'`,
    }));
}

async function privileges(root: string): Promise<Leftover[]> {
  const files = await entries(root, '/etc/sudoers.d');
  const found = await Promise.all(
    files.map(async ({ name }) => {
      const path = `/etc/sudoers.d/${name}`;
      return linesOf(await read(root, path)).some((line) => /^[^#].*NOPASSWD/.test(line)) ? [path] : [];
    }),
  );
  return found.flat().map((path) => ({ path, what: 'sudo without a password' }));
}

const absent = (error: NodeJS.ErrnoException): null => {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
};

const entries = async (root: string, directory: string): Promise<Dirent[]> =>
  (await fs.readdir(join(root, directory), { withFileTypes: true }).catch(absent)) ?? [];

/** '' for a file that does not exist. */
const read = async (root: string, path: string): Promise<string> =>
  (await fs.readFile(join(root, path), 'utf8').catch(absent)) ?? '';
