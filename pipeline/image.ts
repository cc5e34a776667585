/**
 * The image record: what `build` hands to every later stage. After build nothing changes an image; stages
 * only append verdicts about it. The record is journaled (`image.built`) and exported as evidence.
 */

export const distributions = ['debian-12', 'debian-13', 'amazon-linux-2023'] as const;
export type Distribution = (typeof distributions)[number];

/** Debian's releases, as its archive names them. */
export const codenames: Partial<Record<Distribution, string>> = {
  'debian-12': 'bookworm',
  'debian-13': 'trixie',
};

/** A file that is part of a release, addressed by content. `path` is relative to the release's directory. */
export interface Artifact {
  name: string;
  path: string;
  /** Lower-case hex. */
  sha256: string;
  bytes: number;
}

export interface ImageLineage {
  /** What the image was built from. For a local base disk: its cache key and inputs; on AWS: the base image id. */
  base: { id: string; description: string; inputs: Record<string, string> };
  /** SHA-256 over the provisioner scripts, in order. */
  provisioners: string;
  hardening: {
    /** e.g. { package: 'ssg-debian', version: '0.1.82-1', sha256: digest of the data stream file }. */
    content: { package: string; version: string; file: string; sha256: string };
    /** XCCDF id of the profile the tailoring extends. */
    profile: string;
    /** SHA-256 of the compiled tailoring file. */
    tailoring: string;
  };
  /** Tool name → version used. */
  tools: Record<string, string>;
  /** Git commit of this checkout, or null outside one; `dirty` when the tree had changes. */
  source: { commit: string | null; dirty: boolean };
}

export interface ImageRecord {
  schema: 'drover/image@1';
  /** The id under which the cloud launches it (on AWS an AMI id). */
  id: string;
  name: string;
  distribution: Distribution;
  role: string;
  architecture: 'x86_64';
  release: string;
  builtAt: string;
  builder: 'qemu' | 'chroot' | 'amazon-ebs';
  /** The local disk; null where the image exists only in the cloud. */
  disk: (Artifact & { format: 'qcow2' }) | null;
  lineage: ImageLineage;
}

/** One stage's answer about an image. A scanner that could not run is `failed`, never absent. */
export interface Verdict {
  imageId: string;
  /** e.g. 'compliance', 'updates', 'sbom', 'boot', 'policy', 'bake'. */
  check: string;
  status: 'passed' | 'failed';
  /** Why, one sentence each; for `passed` the facts that carried it. Never empty. */
  reasons: string[];
  /** Numbers and facts worth keeping: score, counts, versions. */
  facts: Record<string, string | number | boolean | null>;
  artifacts: Artifact[];
  at: string;
}
