/**
 * A release as it really goes, told into a journal: for looking at the report and for testing what reads one. The
 * sizes come from rolling each group with a surge of one, so that charts and figures hang together.
 */

import { timestamp } from '../../pipeline/clock.ts';
import type { Artifact, ImageRecord, Verdict } from '../../pipeline/image.ts';
import type { Entry, GroupBaseline, Journal, StageName } from '../../pipeline/journal/records.ts';
import { canonical, type JsonObject, sha256 } from '../../pipeline/json.ts';
import type { ManualClock } from '../journal/bench.ts';
import {
  changesReport,
  complianceReport,
  sbom,
  updatesReport,
  vulnerabilitiesReport,
} from './scan-samples.ts';

export interface Story {
  journal: Journal;
  clock: ManualClock;
  /** Where artifacts go: path in the release and content. */
  write: (path: string, text: string) => Promise<void>;
  /** 'unhealthy': the new image fails its gate in the first production wave. */
  fault?: 'unhealthy' | undefined;
  /** Interrupted in the build and resumed. */
  interrupted?: boolean | undefined;
  emergency?: boolean | undefined;
}

const imageId = 'ami-0d3f2a91c77be4410';
const previousImageId = 'ami-0b86e1f20a94cc7d3';
const groups = [
  { name: 'web-staging', environment: 'staging', wave: 'staging', desired: 2, version: 3 },
  { name: 'web-a', environment: 'production', wave: 'first', desired: 3, version: 11 },
  { name: 'web-b', environment: 'production', wave: 'rest', desired: 4, version: 11 },
  { name: 'worker', environment: 'production', wave: 'rest', desired: 4, version: 7 },
];
type SampleGroup = (typeof groups)[number];

export async function tellStory(story: Story): Promise<void> {
  const { journal, clock } = story;
  const config: JsonObject = { version: 1, cloud: 'simulator', image: { name: 'base' } };
  const say = (entry: Entry) => journal.append(entry);
  await say({
    type: 'release.opened',
    data: {
      release: journal.release,
      droverVersion: '0.1.0',
      actor: 'ada@build-host',
      reason: story.emergency ? 'CVE-2026-31337 in OpenSSL, <all> "versions" & builds' : 'weekly rebuild',
      emergency: story.emergency ?? false,
      cloud: { provider: 'simulator', region: 'eu-central-1', endpoint: 'http://127.0.0.1:41233' },
      config,
      configSha256: sha256(canonical(config)),
    },
  });

  const stage = async (
    name: StageName,
    work: () => Promise<{ summary: string; artifacts?: Artifact[]; failed?: true }>,
  ) => {
    const startedMs = clock.now();
    await say({ type: 'stage.started', data: { stage: name } });
    const { summary, artifacts = [], failed } = await work();
    const durationMs = clock.now() - startedMs;
    await say({
      type: 'stage.finished',
      data: { stage: name, outcome: failed ? 'failed' : 'passed', durationMs, summary, artifacts },
    });
    return failed !== true;
  };
  const artifact = async (name: string, path: string, text: string): Promise<Artifact> => {
    await story.write(path, text);
    return { name, path, sha256: sha256(text), bytes: Buffer.byteLength(text) };
  };

  await stage('resolve', async () => {
    clock.advance(1_800);
    return { summary: '4 groups with 13 instances are ready to be rolled' };
  });

  if (story.interrupted) {
    await say({ type: 'stage.started', data: { stage: 'build' } });
    clock.advance(70_000);
    await say({ type: 'release.interrupted', data: { signal: 'SIGINT', stage: 'build' } });
    clock.advance(45_000);
    await say({ type: 'release.resumed', data: { actor: 'ada@build-host', reason: 'drover resume' } });
  }
  await stage('build', async () => {
    clock.advance(318_000);
    const image = imageRecord(journal.release, clock.now());
    await story.write(image.disk!.path, 'the disk');
    await say({ type: 'image.built', data: image });
    const tailoring = await artifact('tailoring', 'image/tailoring.xml', '<Tailoring/>\n');
    const waivers = await artifact('waivers', 'image/waivers.json', `${canonical({ waivers: [] })}\n`);
    return {
      summary: 'base-20261122-063412 in 5 min 18 s, 1.2 GB',
      artifacts: [tailoring, waivers, image.disk!],
    };
  });

  await stage('scan', async () => {
    clock.advance(142_000);
    const at = timestamp(clock.now());
    const compliance = await artifact(
      'compliance',
      'scan/compliance.json',
      JSON.stringify(complianceReport(imageId, at)),
    );
    const updates = await artifact('updates', 'scan/updates.json', JSON.stringify(updatesReport()));
    const known = await artifact(
      'vulnerabilities',
      'scan/vulnerabilities.json',
      JSON.stringify(vulnerabilitiesReport()),
    );
    const changes = await artifact('changes', 'scan/changes.json', JSON.stringify(changesReport()));
    const bom = await artifact('sbom', 'scan/sbom.cdx.json', JSON.stringify(sbom()));
    const policies = await artifact('policies', 'scan/policy.json', JSON.stringify(policyResults()));
    const verdict = (check: string, reasons: string[], facts: Verdict['facts'], artifacts: Artifact[] = []) =>
      say({ type: 'verdict', data: { imageId, check, status: 'passed', reasons, facts, artifacts, at } });
    await verdict(
      'compliance',
      ['318 of 327 rules pass (97.2 %), 3 of the rest are waived'],
      { score: 0.9724 },
      [compliance],
    );
    await verdict('updates', ['no security update is missing'], { missingSecurity: 0 }, [updates]);
    await verdict('sbom', ['311 components, valid CycloneDX 1.6'], { components: 311 }, [bom]);
    await verdict('vulnerabilities', ['2 findings in 311 packages'], { findings: 2 }, [known]);
    await verdict('contents', ['311 packages (budget 320)'], { packages: 311 }, [changes]);
    await verdict('boot', ['multi-user.target after 71 s, no failed unit, sshd answers, cloud-init done'], {
      seconds: 71,
    });
    await say({
      type: 'override',
      data: {
        check: 'no-open-waivers',
        imageId,
        actor: 'grace@example.org',
        reason: 'accepted until the console password is gone, SEC-118',
      },
    });
    await verdict(
      'policy',
      ['5 of 6 policies hold', 'no-open-waivers: accepted by grace@example.org'],
      { passed: 5 },
      [policies],
    );
    return {
      summary: '5 checks, policy passed: 5 of 6 policies hold',
      artifacts: [compliance, updates, bom, known, changes, policies],
    };
  });

  const wave = async (environment: string, name: string) => {
    const members = groups.filter((group) => group.environment === environment && group.wave === name);
    await say({
      type: 'wave.started',
      data: { environment, wave: name, groups: members.map((g) => g.name), imageId },
    });
    for (const group of members) {
      await say({ type: 'group.baseline', data: snapshot(group, group.version, previousImageId) });
    }
    for (const group of members) if (!(await roll(story, group))) return false;
    clock.advance(10_000);
    for (const group of members) {
      const after = snapshot(group, group.version + 1, imageId);
      // The last one replaced is still on its way out when the group has finished.
      const last = snapshot(group, group.version, previousImageId).instances.at(-1)!;
      after.instances.push({ ...last, lifecycle: 'Terminating:Wait', healthy: false });
      const reason = `${group.desired} of ${group.desired} instances serve on v${group.version + 1}`;
      await say({ type: 'group.finished', data: { group: group.name, outcome: 'promoted', reason, after } });
    }
    await say({
      type: 'wave.finished',
      data: { environment, wave: name, outcome: 'promoted', reason: 'every gate held for the soak' },
    });
    return true;
  };

  await stage('bake', async () => {
    await wave('staging', 'staging');
    clock.advance(30_000);
    const at = timestamp(clock.now());
    await say({
      type: 'verdict',
      data: {
        imageId,
        check: 'bake',
        status: 'passed',
        reasons: ['staging held its gates for 30 s'],
        facts: {},
        artifacts: [],
        at,
      },
    });
    return { summary: 'baked for 30 s in web-staging' };
  });

  const gateReason = 'web-a: i-0a91f0000000a001 failed status-checks: impaired';
  const promoted = await stage('rollout', async () => {
    for (const name of ['first', 'rest']) {
      if (await wave('production', name)) continue;
      await say({
        type: 'wave.finished',
        data: { environment: 'production', wave: name, outcome: 'failed', reason: gateReason },
      });
      return { summary: gateReason, failed: true };
    }
    return { summary: '3 groups with 11 instances rolled in 2 waves' };
  });

  if (!promoted) await undo(story, gateReason);
  await say({
    type: 'release.closed',
    data: promoted
      ? { outcome: 'promoted', reason: '4 groups run base-20261122-063412' }
      : { outcome: 'rolled-back', reason: gateReason },
  });
  await say({ type: 'stage.started', data: { stage: 'evidence' } });
}

/** One launch, one drain, one termination at a time; false when a gate failed on the first instance. */
async function roll({ journal, clock, fault }: Story, group: SampleGroup): Promise<boolean> {
  const { name, desired, version } = group;
  const say = (entry: Entry) => journal.append(entry);
  const sizes = (target: number, previous: number, healthy: number) =>
    say({
      type: 'progress',
      data: { group: name, target, previous, healthy, total: target + previous, desired },
    });
  const act = async (key: string, action: string, given: JsonObject, why: string) => {
    await say({
      type: 'intent',
      data: { key: `${name}/${key}`, group: name, action, arguments: given, why },
    });
    clock.advance(40);
    await say({
      type: 'outcome',
      data: { key: `${name}/${key}`, status: 'done', result: null, error: null },
    });
  };
  await sizes(0, desired, desired);
  const next = { sourceVersion: String(version), imageId };
  await act('template', 'createTemplateVersion', next, `a numbered version that launches ${imageId}`);
  await act(
    'pin',
    'updateGroup',
    { templateVersion: version + 1 },
    'new instances come from the new version',
  );
  for (let n = 1; n <= desired; n++) {
    const [fresh, old] = [instanceId(name, version + 1, n), instanceId(name, version, n)];
    await act(
      `launch-${n}`,
      'setDesired',
      { desired: desired + 1 },
      `room for one more: surge is 1 of ${desired}`,
    );
    clock.advance(2_000);
    await sizes(n, desired - n + 1, desired);
    clock.advance(6_000);
    const answer = { group: name, instance: fresh };
    await say({
      type: 'answer',
      data: { ...answer, source: 'status-checks', status: 'waiting', reason: 'initializing' },
    });
    if (fault === 'unhealthy' && group.wave === 'first') {
      await say({
        type: 'answer',
        data: { ...answer, source: 'status-checks', status: 'failed', reason: 'impaired' },
      });
      return false;
    }
    await say({
      type: 'answer',
      data: { ...answer, source: 'status-checks', status: 'passed', reason: 'ok, 3 times in a row' },
    });
    await sizes(n, desired - n + 1, desired + 1);
    clock.advance(3_000);
    await act(
      `terminate-${n}`,
      'terminateInstance',
      { instance: old, decrementDesired: true },
      `${old} is drained and ${fresh} serves`,
    );
    clock.advance(2_000);
    await sizes(n, desired - n, desired);
  }
  return true;
}

async function undo({ journal, clock }: Story, reason: string): Promise<void> {
  const say = (entry: Entry) => journal.append(entry);
  const touched = groups
    .filter((group) => group.wave === 'first' || group.environment === 'staging')
    .reverse();
  await say({
    type: 'rollback.started',
    data: { groups: touched.map((g) => g.name), reason, actor: 'drover' },
  });
  for (const group of touched) {
    const { name, desired, version } = group;
    const key = `${name}/rollback`;
    await say({
      type: 'intent',
      data: {
        key,
        group: name,
        action: 'updateGroup',
        arguments: { templateVersion: version },
        why: 'back to the version before the release',
      },
    });
    clock.advance(60);
    await say({ type: 'outcome', data: { key, status: 'done', result: null, error: null } });
    for (let n = 1; n <= (group.environment === 'staging' ? desired : 1); n++) {
      clock.advance(7_000);
      // In a rollback the target is the version before the release.
      const previous = group.environment === 'staging' ? desired - n : 0;
      await say({
        type: 'progress',
        data: {
          group: name,
          target: desired - previous,
          previous,
          healthy: desired,
          total: desired,
          desired,
        },
      });
    }
    const after = snapshot(group, version, previousImageId);
    await say({
      type: 'group.finished',
      data: {
        group: name,
        outcome: 'rolled-back',
        reason: `as it was: v${version}, ${desired} serving`,
        after,
      },
    });
  }
  await say({
    type: 'rollback.finished',
    data: { outcome: 'rolled-back', reason: 'Every group is back on its previous version' },
  });
}

function instanceId(group: string, version: number, n: number): string {
  return `i-0${sha256(`${group} ${version}`).slice(0, 12)}${String(n).padStart(4, '0')}`;
}

function snapshot({ name, desired }: SampleGroup, version: number, image: string): GroupBaseline {
  return {
    group: name,
    desired,
    min: 1,
    max: desired + 2,
    templateId: `lt-0${sha256(name).slice(0, 16)}`,
    templateName: name,
    templateVersion: String(version),
    resolvedVersion: version,
    imageId: image,
    suspendedProcesses: name === 'worker' ? ['AlarmNotification'] : [],
    instances: Array.from({ length: desired }, (_, n) => ({
      id: instanceId(name, version, n + 1),
      version,
      zone: `eu-central-1${'abc'[n % 3]}`,
      lifecycle: 'InService',
      healthy: true,
    })),
  };
}

function imageRecord(release: string, nowMs: number): ImageRecord {
  return {
    schema: 'drover/image@1',
    id: imageId,
    name: 'base-20261122-063412',
    distribution: 'debian-12',
    role: 'base',
    architecture: 'x86_64',
    release,
    builtAt: timestamp(nowMs),
    builder: 'chroot',
    disk: { name: 'disk', path: 'image/disk.qcow2', sha256: sha256('the disk'), bytes: 8, format: 'qcow2' },
    lineage: {
      base: {
        id: sha256('base'),
        description: 'Debian 12 made by mmdebstrap from bookworm, updates and security',
        inputs: { suite: 'bookworm', kernel: 'linux-image-cloud-amd64', snapshot: '2026-11-22' },
      },
      provisioners: sha256('provisioners'),
      hardening: {
        content: {
          package: 'ssg-debian',
          version: '0.1.82-1',
          file: 'ssg-debian12-ds.xml',
          sha256: sha256('content'),
        },
        profile: 'xccdf_org.ssgproject.content_profile_cis_level1_server',
        tailoring: sha256('<Tailoring/>\n'),
      },
      tools: { packer: '1.6.6', 'qemu-img': '7.2.22', mmdebstrap: '1.3.5', oscap: '1.3.7' },
      source: { commit: '1e83278c0ffee1e83278c0ffee1e83278c0ffee1', dirty: false },
    },
  };
}

function policyResults(): JsonObject {
  const result = (id: string, title: string, level: string, outcome: string, reason: string) => ({
    id,
    title,
    level,
    outcome,
    reason,
  });
  return {
    schema: 'drover/policies@1',
    results: [
      result('compliance-audited', 'The whole benchmark was audited', 'hard-mandatory', 'passed', ''),
      result(
        'compliance-score',
        "At least 95 % of the benchmark's rules pass, net of waivers",
        'soft-mandatory',
        'passed',
        '',
      ),
      result(
        'security-updates',
        'No security update of the distribution is missing',
        'soft-mandatory',
        'passed',
        '',
      ),
      result(
        'bill-of-materials',
        'There is a valid software bill of materials',
        'hard-mandatory',
        'passed',
        '',
      ),
      result('boots', 'The image boots to its target with no failed unit', 'hard-mandatory', 'passed', ''),
      result(
        'no-open-waivers',
        'No waiver is in use',
        'soft-mandatory',
        'overridden',
        '3 waivers are in use; accepted by grace@example.org: until the console password is gone, SEC-118',
      ),
    ],
  };
}
