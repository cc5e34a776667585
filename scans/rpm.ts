/**
 * What rpm and dnf say on an instance of an image, as the inventory and the updates report every image gets.
 * Formats: `rpm -qa --queryformat` of instance/inspect.sh, and `dnf updateinfo list` (dnf(8)). Reads text only.
 */
import { compareText, type InstalledPackage } from './dpkg.ts';
import type { Inventory } from './inventory.ts';
import type { UpdatesReport } from './updates.ts';

const declared = (text: string | undefined): string | null =>
  text === undefined || text === '' || text === '(none)' ? null : text;

/** @throws Error for a line that makes no sense, or when no package is listed */
export function parseRpmList(text: string): Inventory {
  const licences = new Map<string, string[]>();
  const packages = text
    .split('\n')
    // rpm keeps the keys it trusts as packages of their own kind.
    .filter((line) => line !== '' && !line.startsWith('gpg-pubkey\t'))
    .map((line): InstalledPackage => {
      const [name, epoch, release, architecture, source, licence, vendor, url, summary] = line.split('\t');
      if (!name || !release || !architecture) throw new Error(`rpm's list has an incomplete line: ${line}`);
      const version = declared(epoch) ? `${epoch}:${release}` : release;
      if (declared(licence)) licences.set(name, [licence!]);
      return {
        name,
        version,
        architecture,
        // The whole file name, as vulnerability scanners expect it of rpm packages.
        source: declared(source) ?? name,
        sourceVersion: version,
        maintainer: declared(vendor),
        homepage: declared(url),
        summary: declared(summary),
      };
    })
    .sort((one, two) => compareText(one.name, two.name) || compareText(one.version, two.version));
  if (packages.length === 0) throw new Error('rpm lists no installed package');
  return { type: 'rpm', packages, licences };
}

/**
 * @param missing `dnf updateinfo list security --updates`: advisories for newer versions of what is installed
 * @param cves the same with `--with-cve`: the CVE in the place of the advisory, a line for each
 * @param known the same with `--all`; no advisory at all means that they were not read, not that there are none
 * @throws Error for a line that makes no sense
 */
export function reportOfAdvisories(
  inventory: Inventory,
  missing: string,
  cves: string,
  known: string,
): UpdatesReport {
  if (advisoriesIn(known).length === 0) throw new Error('dnf knows no security advisory at all');
  const security = new Map<string, UpdatesReport['security'][number]>();
  const named = advisoriesIn(cves);
  for (const { advisory, severity, name, version } of advisoriesIn(missing)) {
    const installed = inventory.packages.filter((candidate) => candidate.name === name).at(-1);
    if (!installed) throw new Error(`dnf has an advisory for ${name}, which is not installed`);
    const fixes = named.filter((line) => line.name === name && line.version === version);
    security.set(`${name} ${version}`, {
      package: name,
      source: installed.source,
      installed: installed.version,
      available: version,
      suite: advisory,
      brings: null,
      cves: [...new Set(fixes.map((line) => line.advisory))].sort(),
      severity,
    });
  }
  return {
    schema: 'drover/updates@1',
    feeds: [],
    packages: inventory.packages.length,
    security: [...security.values()],
    other: [],
    unknown: [],
    digests: {},
  };
}

/** Lines like "ALAS2023-2024-581 Important/Sec. openssl-1:3.0.8-1.amzn2023.0.11.x86_64". */
function advisoriesIn(text: string): { advisory: string; severity: string; name: string; version: string }[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      // "i " marks what is installed already.
      const parts = /^(?:i )?\s*(\S+)\s+(\S+)\/Sec\.\s+(\S+)-((?:\d+:)?[^-\s]+-[^-\s]+)\.[^.\s]+$/.exec(
        line.trimEnd(),
      );
      if (!parts) throw new Error(`dnf's list of advisories has a line that makes no sense: ${line}`);
      return { advisory: parts[1]!, severity: parts[2]!, name: parts[3]!, version: parts[4]! };
    });
}
