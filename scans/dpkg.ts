/**
 * An image's own package state: /var/lib/dpkg/status and /etc/os-release as data (dpkg-query(1), os-release(5)).
 * Reads text only; decides nothing about the packages.
 */

export interface InstalledPackage {
  name: string;
  version: string;
  architecture: string;
  /** The source package and its version, which is what security advisories speak of. */
  source: string;
  sourceVersion: string;
  maintainer: string | null;
  homepage: string | null;
  /** The synopsis, one line. */
  summary: string | null;
}

/**
 * The packages whose state is `installed`, ordered by name and architecture.
 * @throws Error when the text is not a dpkg status file: a scan that sees no package must fail, not pass
 */
export function parseDpkgStatus(text: string): InstalledPackage[] {
  const installed = text
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map(fieldsOf)
    .filter((fields) => fields.get('Status')?.split(' ')[2] === 'installed')
    .map(packageOf);
  if (installed.length === 0) throw new Error('the dpkg status file lists no installed package');
  return installed.sort(
    (one, two) => compareText(one.name, two.name) || compareText(one.architecture, two.architecture),
  );
}

/** KEY=value lines, unquoted. */
export function parseOsRelease(text: string): Record<string, string> {
  const lines = text.matchAll(/^([A-Z0-9_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|(\S*))$/gm);
  return Object.fromEntries(
    [...lines].map(([, key, double, single, bare]) => [key!, double ?? single ?? bare ?? '']),
  );
}

/** By code unit, so that the order is the same on every machine, whatever its locale. */
export const compareText = (one: string, two: string): number => (one < two ? -1 : one > two ? 1 : 0);

/** First lines of a paragraph's fields; continuation lines are not needed here. */
function fieldsOf(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [, name, value] of paragraph.matchAll(/^([A-Za-z][A-Za-z0-9-]*): ?(.*)$/gm)) {
    fields.set(name!, value!.trim());
  }
  return fields;
}

function packageOf(fields: Map<string, string>): InstalledPackage {
  const name = fields.get('Package');
  const version = fields.get('Version');
  const architecture = fields.get('Architecture');
  if (!name || !version || !architecture) {
    throw new Error(`the dpkg status file has an incomplete entry for '${name ?? '?'}'`);
  }
  // "Source: acl" or "Source: gcc-12 (12.2.0-14)"; absent where it equals the package.
  const [, source, sourceVersion] = /^(\S+)(?: \((.+)\))?$/.exec(fields.get('Source') ?? '') ?? [];
  return {
    name,
    version,
    architecture,
    source: source ?? name,
    sourceVersion: sourceVersion ?? version,
    maintainer: fields.get('Maintainer') ?? null,
    homepage: fields.get('Homepage') ?? null,
    summary: fields.get('Description') ?? null,
  };
}
