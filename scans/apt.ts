/**
 * A private apt: its own configuration, state, lists and cache in one directory, reading the distribution's
 * suites from the mirror this machine already uses. Decides where package indexes come from; never touches the
 * machine's own apt state and never trusts an index whose signature apt did not verify.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** Debian's archive keys, from the package debian-archive-keyring. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface PrivateApt {
  directory: string;
  /** Environment under which apt, apt-cache and libapt use the private state. */
  environment: { APT_CONFIG: string; LC_ALL: 'C.UTF-8' };
}

/** A suite as the archive described it when it was read. */
export interface Feed {
  suite: string;
  label: string;
  /** The Release file's own times, RFC 3339. */
  date: string;
  validUntil: string | null;
}

/**
 * Lays out a private apt in `directory` for the suites of `codename` (release, updates, security).
 * @param status a dpkg status file's text: what apt shall believe is installed
 * @param imageEtcApt the image's own /etc/apt, asked for suites this machine's sources do not have
 * @throws Error naming the suite for which no source is known
 */
export async function createPrivateApt(options: {
  directory: string;
  codename: string;
  status: string;
  imageEtcApt?: string | undefined;
  signal?: AbortSignal | undefined;
}): Promise<PrivateApt> {
  const { directory, codename, status, imageEtcApt, signal } = options;
  const suites = [codename, `${codename}-updates`, `${codename}-security`];
  const known = await configuredSources('/etc/apt', signal);
  if (imageEtcApt) known.push(...(await configuredSources(imageEtcApt, signal)));

  for (const part of ['etc', 'lists/partial', 'cache/archives/partial', 'empty']) {
    await mkdir(join(directory, part), { recursive: true });
  }
  await writeFile(join(directory, 'status'), status);
  await writeFile(
    join(directory, 'etc/sources.list'),
    suites.map((suite) => `deb [signed-by=${keyring}] ${uriOf(suite, known)} ${suite} main\n`).join(''),
  );
  const configuration = join(directory, 'apt.conf');
  await writeFile(configuration, await configurationOf(directory, signal));
  return { directory, environment: { APT_CONFIG: configuration, LC_ALL: 'C.UTF-8' } };
}

/**
 * `apt-get update`, failing on any index that could not be fetched or verified.
 * @throws Error with apt's own complaint
 */
export async function updateIndexes(apt: PrivateApt, signal?: AbortSignal): Promise<Feed[]> {
  const { stdout, stderr } = await execa('apt-get', ['update', '-q', '--error-on=any'], {
    env: apt.environment,
    ...(signal && { cancelSignal: signal }),
  });
  // A warning about an index means an older one was kept: the answer would be about another day.
  const doubt = `${stdout}\n${stderr}`.split('\n').find((line) => /^(W|E|Err)[: ]/.test(line));
  if (doubt) throw new Error(`apt-get update: ${doubt}`);
  const lists = join(apt.directory, 'lists');
  const releases = (await readdir(lists)).filter((name) => /_(In)?Release$/.test(name)).sort();
  return Promise.all(releases.map(async (name) => parseRelease(await readFile(join(lists, name), 'utf8'))));
}

/** A Release file's head. @throws Error without suite or date */
export function parseRelease(text: string): Feed {
  const field = (name: string) => new RegExp(`^${name}: *(.+)$`, 'm').exec(text)?.[1]?.trim();
  const suite = field('Codename') ?? field('Suite');
  const date = Date.parse(field('Date') ?? '');
  const validUntil = Date.parse(field('Valid-Until') ?? '');
  if (!suite || Number.isNaN(date)) throw new Error('a Release file names no suite or no date');
  return {
    suite,
    label: field('Label') ?? '',
    date: new Date(date).toISOString(),
    validUntil: Number.isNaN(validUntil) ? null : new Date(validUntil).toISOString(),
  };
}

interface Source {
  uri: string;
  suite: string;
}

/** The binary sources an /etc/apt configures, as apt itself reads them; works before any index was fetched. */
async function configuredSources(etcApt: string, signal?: AbortSignal): Promise<Source[]> {
  const { stdout } = await execa(
    'apt-get',
    [
      'indextargets',
      ...['-o', `Dir::Etc=${etcApt}`],
      ...['--format', '$(CREATED_BY) $(REPO_URI) $(RELEASE)'],
      'Created-By: Packages',
    ],
    { env: { LC_ALL: 'C.UTF-8' }, ...(signal && { cancelSignal: signal }) },
  );
  return parseSources(stdout);
}

/** Lines "Packages URI SUITE"; flat repositories (suite '/') and local ones serve no distribution suite. */
export function parseSources(text: string): Source[] {
  return text.split('\n').flatMap((line) => {
    const [, uri, suite] = line.trim().split(' ');
    return uri && suite && /^https?:/.test(uri) && !suite.endsWith('/') ? [{ uri, suite }] : [];
  });
}

/**
 * Where a suite is served: a source of that very suite, else the source of another Debian release's suite of
 * the same kind (a machine of another release still knows its mirror of the same archive).
 */
export function uriOf(suite: string, sources: readonly Source[]): string {
  const kind = (name: string) =>
    /-(updates|security|backports|proposed-updates)$/.exec(name)?.[1] ?? 'release';
  const archive = kind(suite) === 'security' ? /\/debian-security\/?$/ : /\/debian\/?$/;
  const found =
    sources.find((source) => source.suite === suite) ??
    sources.find((source) => kind(source.suite) === kind(suite) && archive.test(source.uri));
  if (!found) {
    throw new Error(
      `no source for the suite ${suite}, neither in this machine's apt sources nor in the image's`,
    );
  }
  return found.uri;
}

/**
 * The machine's way to reach its mirror (Acquire: proxies, certificates, retries) and credentials, and nothing
 * else of its configuration: hooks and cache settings (an empty pkgcache breaks libapt's other users) stay out.
 */
async function configurationOf(directory: string, signal?: AbortSignal): Promise<string> {
  const { stdout: reach } = await execa('apt-config', ['dump', '--format', '%F "%v";%n', 'Acquire'], {
    env: { LC_ALL: 'C.UTF-8' },
    ...(signal && { cancelSignal: signal }),
  });
  return [
    `Dir::State "${directory}";`,
    `Dir::State::status "${directory}/status";`,
    `Dir::State::lists "${directory}/lists";`,
    `Dir::Cache "${directory}/cache";`,
    `Dir::Etc "${directory}/etc";`,
    `Dir::Etc::sourcelist "${directory}/etc/sources.list";`,
    ...['sourceparts', 'parts', 'preferencesparts', 'trustedparts'].map(
      (name) => `Dir::Etc::${name} "${directory}/empty";`,
    ),
    'Dir::Etc::netrc "/etc/apt/auth.conf";',
    'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
    'APT::Architecture "amd64";',
    'APT::Architectures { "amd64"; };',
    'APT::Install-Recommends "false";',
    // The directory is the caller's; apt's own user need not be able to enter it.
    'APT::Sandbox::User "root";',
    ...reach
      .split('\n')
      .filter((line) => /^Acquire::(?!Languages|AllowInsecure|AllowWeak|AllowDowngrade|Check)/.test(line)),
    'Acquire::Languages "none";',
    '',
  ].join('\n');
}
