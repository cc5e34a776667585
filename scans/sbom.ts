/**
 * The software bill of materials: what dpkg or rpm says is installed, as CycloneDX 1.6 JSON. Decides how a package is
 * named (purl), never what is installed. The same answers always give the same bytes: times come from the image
 * record and the serial number is derived from the image's id.
 *
 * It is also what vulnerability scanners read. Trivy and Grype learn the distribution from the operating-system component,
 * and only Debian's source packages have advisories: Trivy knows them by its own properties alone, Grype by the purl.
 *
 * https://cyclonedx.org/specification/overview/ and
 * https://github.com/package-url/purl-spec/blob/main/types-doc/deb-definition.md
 * and rpm-definition.md beside it
 */
import { Enums, Models, Serialize, Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { PackageURL } from 'packageurl-js';
import type { ImageRecord } from '../pipeline/image.ts';
import { sha256 } from '../pipeline/json.ts';
import type { InstalledPackage } from './dpkg.ts';
import type { Inventory } from './inventory.ts';

export interface SbomInput extends Inventory {
  image: ImageRecord;
  /** The image's /etc/os-release. */
  osRelease: Record<string, string>;
  /** SHA-256 of a package's file in the distribution's archive, lower-case hex, by package. */
  digests: Readonly<Record<string, string>>;
}

/**
 * CycloneDX JSON, two-space indented, with a final newline.
 * @throws Error when the library's own validator finds it invalid
 */
export async function renderSbom(input: SbomInput): Promise<string> {
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  const text = `${serializer.serialize(bomOf(input), { sortLists: true, space: 2 })}\n`;
  const problem = await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text);
  if (problem !== null) {
    throw new Error(
      `the bill of materials is not valid CycloneDX 1.6: ${JSON.stringify(problem).slice(0, 500)}`,
    );
  }
  return text;
}

function bomOf({ image, osRelease, digests, type, packages, licences }: SbomInput): Models.Bom {
  const distribution = osRelease.ID ?? 'debian';
  const release = osRelease.VERSION_ID ?? '';
  // The type Trivy gives a machine's disk, too; an operating system here would be taken for the distribution.
  const subject = new Models.Component(Enums.ComponentType.Container, image.name, {
    bomRef: `image:${image.id}`,
    version: image.release,
    description: `Machine image ${image.id}: ${osRelease.PRETTY_NAME ?? image.distribution}`,
  });
  if (image.disk) subject.hashes.set(Enums.HashAlgorithm['SHA-256'], image.disk.sha256);
  const system = new Models.Component(Enums.ComponentType.OperatingSystem, familyOf(distribution), {
    bomRef: `os:${distribution}-${release}`,
    version: release,
    swid: new Models.SWID(distribution, distribution, { version: release }),
  });
  subject.dependencies.add(system.bomRef);

  const bom = new Models.Bom({
    serialNumber: serialNumberOf(image),
    metadata: new Models.Metadata({ timestamp: new Date(image.builtAt), component: subject }),
  });
  bom.metadata.lifecycles.add(Enums.LifecyclePhase.PostBuild);
  bom.metadata.tools.components.add(new Models.Component(Enums.ComponentType.Application, 'drover'));
  bom.components.add(system);
  for (const installed of packages) {
    const purl = purlOf(type, installed, distribution, release);
    const component = componentOf(type, installed, purl, licences.get(installed.name) ?? []);
    const digest = digests[installed.name];
    if (digest) component.hashes.set(Enums.HashAlgorithm['SHA-256'], digest);
    bom.components.add(component);
    system.dependencies.add(component.bomRef);
  }
  return bom;
}

/**
 * What Trivy calls a distribution (pkg/fanal/types/const.go); it drops packages whose purl has another namespace. Grype
 * goes by the SWID and the purl's `distro`, which are os-release's.
 */
const familyOf = (distribution: string): string => (distribution === 'amzn' ? 'amazon' : distribution);

function componentOf(
  type: Inventory['type'],
  installed: InstalledPackage,
  purl: string,
  licences: readonly string[],
): Models.Component {
  const component = new Models.Component(Enums.ComponentType.Library, installed.name, {
    bomRef: purl,
    purl,
    version: installed.version,
    description: installed.summary ?? undefined,
    supplier: installed.maintainer
      ? new Models.OrganizationalEntity({ name: installed.maintainer })
      : undefined,
  });
  const properties = {
    [`drover:${type}:architecture`]: installed.architecture,
    [`drover:${type}:source`]: installed.source,
    [`drover:${type}:source-version`]: installed.sourceVersion,
    ...(type === 'deb' && sourceForTrivy(installed)),
  };
  for (const [name, value] of Object.entries(properties)) {
    component.properties.add(new Models.Property(name, value));
  }
  for (const licence of licences) {
    component.licenses.add(
      new Models.NamedLicense(licence, { acknowledgement: Enums.LicenseAcknowledgement.Declared }),
    );
  }
  return component;
}

/**
 * The source package that advisories speak of. A signed kernel comes from a source of its own (linux-signed-ARCH), built
 * from `linux` at its packages' version (their Built-Using); only `linux` has advisories.
 * https://kernel-team.pages.debian.net/kernel-handbook/ch-packaging.html
 */
const advisedSource = ({
  source,
  sourceVersion,
  version,
}: InstalledPackage): Pick<InstalledPackage, 'source' | 'sourceVersion'> =>
  source.startsWith('linux-signed-')
    ? { source: 'linux', sourceVersion: version }
    : { source, sourceVersion };

/** A source package in Trivy's words, its version in three parts (deb-version(7)); it reads no purl's `upstream`. */
function sourceForTrivy(installed: InstalledPackage): Record<string, string> {
  const { source, sourceVersion } = advisedSource(installed);
  const [, epoch, version, revision] = /^(?:(\d+):)?(.+?)(?:-([^-]*))?$/.exec(sourceVersion) ?? [];
  const prefix = 'aquasecurity:trivy:Src';
  return {
    [`${prefix}Name`]: source,
    [`${prefix}Version`]: version ?? sourceVersion,
    ...(revision !== undefined && { [`${prefix}Release`]: revision }),
    ...(epoch !== undefined && { [`${prefix}Epoch`]: epoch }),
  };
}

/** `upstream` is the qualifier that Grype reads the source package from. */
function purlOf(
  type: Inventory['type'],
  installed: InstalledPackage,
  distribution: string,
  release: string,
): string {
  const { source, sourceVersion } = advisedSource(installed);
  const upstream = sourceVersion === installed.version ? source : `${source}@${sourceVersion}`;
  // An rpm's epoch is a qualifier; a deb's is part of its version.
  const [, epoch, version] = (type === 'rpm' ? /^(\d+):(.+)$/.exec(installed.version) : null) ?? [
    undefined,
    undefined,
    installed.version,
  ];
  return new PackageURL(
    type,
    familyOf(distribution),
    installed.name,
    version,
    { arch: installed.architecture, distro: `${distribution}-${release}`, upstream, ...(epoch && { epoch }) },
    undefined,
  ).toString();
}

/** A UUID of version 8 (RFC 9562, vendor-specific) made of the image's identity. */
function serialNumberOf(image: ImageRecord): string {
  const hex = sha256(`drover/sbom ${image.id} ${image.disk?.sha256 ?? ''}`);
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Licence names a machine-readable copyright file declares for its Files paragraphs, sorted; empty for the
 * older, free-form kind. https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
 */
export function licencesOf(copyright: string): string[] {
  if (!/^Format:.*copyright-format/m.test(copyright.slice(0, 2000))) return [];
  const declared = copyright
    .split(/\n\s*\n/)
    .filter((paragraph) => /^Files:/m.test(paragraph))
    .flatMap((paragraph) => /^License:[ \t]*(\S.*)$/m.exec(paragraph)?.[1]?.trim() ?? []);
  return [...new Set(declared)].sort();
}
