/**
 * How OpenSCAP is called, wherever it runs: from the scanner disk or as installed on a throwaway instance, with an
 * environment that is nobody's but its own. Decides the command line; never what an answer means.
 */
import { scannerCommand } from '../scanner-disk.ts';

export interface AuditInputs {
  contentPath: string;
  tailoringPath: string;
  profileId: string;
  /** XCCDF ids; absent: every rule of the profile. */
  rules?: readonly string[];
}

/** Where an audit's files are, in the file system oscap sees. */
export interface AuditPlaces {
  /** Root of the scanner disk's tree; null: oscap is installed there. */
  scanner: string | null;
  /** A writable directory; results and log are written there as results.xml and oscap.log. */
  work: string;
}

/** The words that run one audit; its exit code is oscap's. */
export const auditWords = (inputs: AuditInputs, { scanner, work }: AuditPlaces): string[] => [
  ...(scanner === null ? ['oscap'] : scannerCommand(scanner, 'usr/bin/oscap')),
  ...['--verbose', 'WARNING', '--verbose-log-file', `${work}/oscap.log`],
  ...['xccdf', 'eval', '--skip-validation'],
  ...['--tailoring-file', inputs.tailoringPath, '--profile', inputs.profileId],
  ...(inputs.rules ?? []).flatMap((rule) => ['--rule', rule]),
  ...['--results', `${work}/results.xml`, inputs.contentPath],
];

/** The environment it runs in, as NAME=value words; `work`/apt.conf must hold `aptConfiguration`. */
export const auditEnvironment = ({ scanner, work }: AuditPlaces): string[] => [
  ...(scanner === null
    ? []
    : [
        `OSCAP_SCHEMA_PATH=${scanner}/usr/share/openscap/schemas`,
        `OSCAP_CPE_PATH=${scanner}/usr/share/openscap/cpe`,
      ]),
  // Script checks (SCE) stay out: the content has an OVAL check for nearly every rule that has a script, and
  // where the disk is only mounted a script would tell of this machine.
  'OSCAP_CHECK_ENGINE_PLUGIN_DIR=/nonexistent',
  `APT_CONFIG=${work}/apt.conf`,
  'LC_ALL=C.UTF-8',
];

/** Words as one POSIX shell command. */
export const shell = (words: readonly string[]): string => words.map(quote).join(' ');

/** One word for a POSIX shell. */
export const quote = (word: string): string =>
  /^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/**
 * libapt reads the package state for oscap's dpkginfo probe. It gets a configuration of its own, because a
 * machine's or an image's (containers switch caches off) can make the probe fail, and then every package test
 * is false. The cache stays in memory: the disk is read-only.
 */
export const aptConfiguration = [
  'Dir::Etc::parts "/dev/null";',
  'Dir::Etc::main "/dev/null";',
  'Dir::Cache::pkgcache "";',
  'Dir::Cache::srcpkgcache "";',
  '',
].join('\n');
