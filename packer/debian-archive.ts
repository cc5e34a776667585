/**
 * Where Debian packages come from: the mirror this machine already uses, found in its own apt configuration.
 * Decides which URI serves a suite and how apt reaches it, here and in an image; never names a host itself and never
 * touches the machine's own apt state.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { parse } from 'yaml';
import { Refused } from '../pipeline/errors.ts';

/** From the package debian-archive-keyring, which every Debian machine has and Ubuntu packages too. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface Suite {
  suite: string;
  /** Without a trailing slash. */
  uri: string;
}

/**
 * The URIs that serve `suites`, by this machine's apt sources (both formats, as apt itself reads them), or by
 * the environment variable DROVER_DEBIAN_MIRROR on machines that are not Debian.
 * @throws Refused('environment') naming the suite nobody serves
 */
export async function archiveFor(suites: readonly string[], signal?: AbortSignal): Promise<Suite[]> {
  const mirror = process.env.DROVER_DEBIAN_MIRROR?.replace(/\/+$/, '');
  const known = mirror
    ? [
        { suite: 'stable', uri: mirror },
        { suite: 'stable-security', uri: `${mirror}-security` },
      ]
    : parseTargets(await configuredTargets(signal));
  return suites.map((suite) => {
    const uri = serverOf(suite, known);
    if (uri) return { suite, uri };
    throw new Refused(
      'environment',
      `no Debian mirror is known for the suite ${suite}: this machine's apt sources name none`,
      'Run on Debian, or set DROVER_DEBIAN_MIRROR to the URL of a Debian archive (its security archive is expected beside it).',
    );
  });
}

async function configuredTargets(signal?: AbortSignal): Promise<string> {
  const { stdout } = await execa(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages'],
    { env: { LC_ALL: 'C.UTF-8' }, ...(signal && { cancelSignal: signal }) },
  );
  return stdout;
}

/** Lines "URI SUITE". Flat repositories (a suite that ends in /) serve no suite. */
export function parseTargets(text: string): Suite[] {
  return text.split('\n').flatMap((line) => {
    const [uri, suite] = line.trim().split(' ');
    return uri && suite && !suite.endsWith('/') ? [{ suite, uri: uri.replace(/\/+$/, '') }] : [];
  });
}

/** All release pockets of an archive stand under one URI; only security has one of its own. */
const isSecurity = (suite: string) => /-security$|\/updates$/.test(suite);

/** The URI of that very suite, else that of another Debian release's suite of the same archive. */
export function serverOf(suite: string, known: readonly Suite[]): string | undefined {
  const exact = known.find((it) => it.suite === suite);
  if (exact) return exact.uri;
  const archive = isSecurity(suite) ? /debian-security$/ : /debian$/;
  return known.find((it) => isSecurity(it.suite) === isSecurity(suite) && archive.test(it.uri))?.uri;
}

/** One-line format, signatures by Debian's own keys. */
export const sourcesList = (suites: readonly Suite[], signedBy = keyring): string =>
  suites.map(({ uri, suite }) => `deb [signed-by=${signedBy}] ${uri} ${suite} main\n`).join('');

/** How this machine reaches its mirror (proxies, certificates, clock checks) as apt.conf text. */
export async function reachConfiguration(signal?: AbortSignal): Promise<string> {
  const { stdout } = await execa('apt-config', ['dump', '--format', '%F "%v";%n', 'Acquire'], {
    env: { LC_ALL: 'C.UTF-8' },
    ...(signal && { cancelSignal: signal }),
  });
  const wanted = /^Acquire::(https?::|Retries|Check-|.*::Proxy)/i;
  return stdout
    .split('\n')
    .filter((line) => wanted.test(line) && !line.endsWith('"";'))
    .map((line) => `${line}\n`)
    .join('');
}

/**
 * A private apt under `directory`: own sources, lists, cache and (empty) dpkg status. Run apt with the returned
 * environment; signatures are verified as always.
 */
export async function privateApt(
  directory: string,
  suites: readonly Suite[],
  signal?: AbortSignal,
): Promise<{ APT_CONFIG: string; LC_ALL: string }> {
  for (const part of ['etc', 'lists/partial', 'cache/archives/partial', 'empty']) {
    await mkdir(join(directory, part), { recursive: true });
  }
  await writeFile(join(directory, 'status'), '');
  await writeFile(join(directory, 'etc/sources.list'), sourcesList(suites));
  const configuration = join(directory, 'apt.conf');
  const parts = ['sourceparts', 'parts', 'preferencesparts', 'trustedparts'];
  await writeFile(
    configuration,
    [
      await reachConfiguration(signal),
      `Dir::State "${directory}";`,
      `Dir::State::status "${directory}/status";`,
      `Dir::State::lists "${directory}/lists";`,
      `Dir::Cache "${directory}/cache";`,
      `Dir::Etc "${directory}/etc";`,
      ...parts.map((name) => `Dir::Etc::${name} "${directory}/empty";`),
      'Dir::Etc::netrc "/etc/apt/auth.conf";',
      'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
      'APT::Architecture "amd64";',
      'APT::Architectures { "amd64"; };',
      // The directory belongs to whoever runs Drover; apt's own user need not be able to enter it.
      'APT::Sandbox::User "root";',
      'Acquire::Languages "none";',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
      '',
    ].join('\n'),
  );
  return { APT_CONFIG: configuration, LC_ALL: 'C.UTF-8' };
}

/**
 * The finished image reads packages from Debian's public mirror, not from the one it was built with, which may
 * be private. Its name is the distribution's own word: the failsafe mirror in Debian's cloud-init configuration.
 */
export async function publicSources(tree: string, suites: readonly string[]): Promise<void> {
  const configuration = parse(await readFile(join(tree, 'etc/cloud/cloud.cfg'), 'utf8'));
  const mirrors = configuration?.system_info?.package_mirrors?.[0]?.failsafe;
  if (!mirrors?.primary || !mirrors?.security)
    throw new Error("cloud-init's cloud.cfg names no package mirror");
  const stanza = (uri: string, names: string[]) =>
    `Types: deb\nURIs: ${uri}\nSuites: ${names.join(' ')}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  const isSecurity = (suite: string) => suite.endsWith('-security');
  const directory = join(tree, 'etc/apt/sources.list.d');
  for (const name of await readdir(directory)) await rm(join(directory, name));
  await rm(join(tree, 'etc/apt/sources.list'), { force: true });
  await writeFile(
    join(directory, 'debian.sources'),
    [
      stanza(
        mirrors.primary,
        suites.filter((it) => !isSecurity(it)),
      ),
      stanza(mirrors.security, suites.filter(isSecurity)),
    ].join('\n'),
  );
}
