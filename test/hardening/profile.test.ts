import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { readBenchmark } from '../../hardening/benchmark.ts';
import { loadProfile, type Profile } from '../../hardening/profile.ts';
import { meaningOf, type Tailoring, unmadePartitions } from '../../hardening/tailoring.ts';
import { Refused } from '../../pipeline/errors.ts';
import { dataStream } from './data-stream.ts';

const now = Date.parse('2026-11-22T00:00:00Z');

const head = `version: 1
id: test
title: Test & "quotes"
content:
  distribution: debian-12
  package: ssg-debian
  minimum_version: 0.1.82
  data_stream: ssg-debian12-ds.xml
profile: cis_level1_server
`;

/**
 * @param overlays name → what stands in its file after the head
 * @param catalogue the same for the files of the catalogue
 */
function profileFrom(
  rest: string,
  overlays: Record<string, string> = {},
  catalogue: Record<string, string> = {},
) {
  const directory = mkdtempSync(join(tmpdir(), 'profile-'));
  const file = join(directory, 'profile.yaml');
  writeFileSync(file, head + rest);
  mkdirSync(join(directory, 'overlays'));
  for (const [name, text] of Object.entries(overlays)) {
    writeFileSync(join(directory, 'overlays', `${name}.yaml`), `version: 1\ntitle: ${name}\n${text}`);
  }
  mkdirSync(join(directory, 'catalogue'));
  for (const [name, text] of Object.entries(catalogue)) {
    writeFileSync(join(directory, 'catalogue', `${name}.yaml`), `version: 1\n${text}`);
  }
  return { file, load: () => loadProfile(file) };
}

const benchmark = readBenchmark(dataStream);
const tailoringOf = (profile: Profile, options: { role: string; now: number }): Tailoring =>
  meaningOf(profile, benchmark, options).tailoring;
const compile = (rest: string, role = 'base') => tailoringOf(profileFrom(rest).load(), { role, now });

function refusal(work: () => unknown): Refused {
  try {
    work();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

interface Selection {
  '@idref': string;
  '@selected': string;
}
/** The selections of the two profiles in a tailoring, read by an XML parser. */
function selections(xml: string): Record<string, Record<string, boolean>> {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    isArray: (name) => ['Profile', 'select'].includes(name),
  });
  const profiles: { '@id': string; select?: Selection[] }[] = parser.parse(xml).Tailoring.Profile;
  return Object.fromEntries(
    profiles.map((it) => [
      it['@id'],
      Object.fromEntries(
        (it.select ?? []).map((s) => [s['@idref'].replace(/.*_rule_/, ''), s['@selected'] === 'true']),
      ),
    ]),
  );
}

describe('compiling a hardening profile', () => {
  const waiver = `waivers:
  - rule: sshd_disable_root_login
    owner: platform
    reason: root logs in for reasons <known>
    expires: 2026-11-22
    compensation: nobody has the key
`;

  it('writes deselected rules, and the role has the last word', () => {
    const rest = `deselect:
  - { rules: [package_ufw_installed, service_nftables_enabled], reason: another firewall is used }
roles:
  base: {}
  router:
    select:
      - { rules: [service_nftables_enabled], reason: routers filter with nftables }
`;
    const base = compile(rest);
    expect(selections(base.xml)[base.profileId]).toEqual({
      package_ufw_installed: false,
      service_nftables_enabled: false,
    });
    const router = compile(rest, 'router');
    expect(selections(router.xml)[router.profileId]).toEqual({
      package_ufw_installed: false,
      service_nftables_enabled: true,
    });
  });

  it('keeps a waived rule in the audit and takes it out of the remediation', () => {
    const { xml, profileId, remediationProfileId, waivers } = compile(waiver);
    expect(selections(xml)[profileId]).toEqual({});
    expect(selections(xml)[remediationProfileId]).toEqual({ sshd_disable_root_login: false });
    expect(waivers[0]?.rule).toBe('xccdf_org.ssgproject.content_rule_sshd_disable_root_login');
  });

  it('leaves to the fixes of the content what neither a row nor the distribution as it comes answers', () => {
    const rest = (files: string) => `catalogue: [${files}]\n`;
    const compileWith = (files: string, catalogue: Record<string, string>) =>
      tailoringOf(profileFrom(rest(files), {}, catalogue).load(), { role: 'base', now });
    const rows =
      "rows: [{ id: a, kind: sshd, rules: [sshd_disable_root_login], desired: { PermitRootLogin: 'no' } }]\n";
    const asItComes = 'as_it_comes: [{ rules: [package_ufw_installed, service_nftables_enabled] }]\n';
    expect(compileWith('one', { one: rows }).remainder).toEqual(['package_ufw_installed']);
    const both = compileWith('one, two', { one: rows, two: asItComes });
    expect(both.remainder).toEqual([]);
    expect(selections(both.xml)[both.remainderProfileId]).toEqual({
      sshd_disable_root_login: false,
      package_ufw_installed: false,
    });
    // On a base that somebody else made, who knows?
    expect(selections(both.xml)[both.remediationProfileId]).toEqual({ sshd_disable_root_login: false });
    const another = 'as_it_comes: [{ only: [debian-13], rules: [package_ufw_installed] }]\n';
    expect(compileWith('one, two', { one: rows, two: another }).remainder).toEqual(['package_ufw_installed']);
  });

  it('says where a catalogue speaks of a rule the content does not have', () => {
    const catalogue = { one: 'as_it_comes: [{ rules: [no_such_rule] }]\n' };
    const { load } = profileFrom('catalogue: [one]\n', {}, catalogue);
    const { message } = refusal(() => tailoringOf(load(), { role: 'base', now }));
    expect(message).toMatch(/one\.yaml:2:\d+: .*the content has no rule 'no_such_rule'/);
  });

  it('covers the last day of a waiver and refuses it the day after', () => {
    compile(waiver);
    const { file, load } = profileFrom(waiver);
    const error = refusal(() => tailoringOf(load(), { role: 'base', now: now + 86_400_000 }));
    expect(error.message).toContain(
      `${file}:14:5: waivers.0.expires: expired on 2026-11-22; platform must renew it`,
    );
  });

  it('refuses a waiver of a rule that is not selected: there is nothing to waive', () => {
    const { file, load } = profileFrom(waiver.replace('sshd_disable_root_login', 'service_nftables_enabled'));
    const { message } = refusal(() => tailoringOf(load(), { role: 'base', now }));
    expect(message).toContain(
      `${file}:11:5: waivers.0.rule: ssg-debian12-ds.xml has no selected rule 'service_nftables_enabled'`,
    );
  });

  it('writes values by choice and literally', () => {
    const { xml } = compile(`values:
  - { name: var_accounts_tmout, choice: 15_min, reason: as the benchmark says }
`);
    expect(xml).toContain(
      '<refine-value idref="xccdf_org.ssgproject.content_value_var_accounts_tmout" selector="15_min"/>',
    );
    const literal = compile(`values:
  - { name: var_accounts_tmout, value: '300', reason: our terminals stand in the open }
`);
    expect(literal.xml).toContain('var_accounts_tmout">300</set-value>');
  });

  it('gives equal bytes for equal inputs', () => {
    expect(compile(waiver).xml).toBe(compile(waiver).xml);
  });

  it('names file, line and column of every rule, value and choice the content does not have', () => {
    const { file, load } = profileFrom(`deselect:
  - rules: [package_ufw_installed, no_such_rule]
    reason: it does not exist
values:
  - { name: no_such_value, value: '1', reason: it does not exist }
  - { name: var_accounts_tmout, choice: 99_min, reason: it does not exist }
`);
    const error = refusal(() => tailoringOf(load(), { role: 'base', now }));
    expect(error.kind).toBe('invalid');
    expect(error.message.split('\n')).toEqual([
      expect.stringContaining(
        `${file}:11:36: deselect.0.rules.1: ssg-debian12-ds.xml has no rule 'no_such_rule'`,
      ),
      expect.stringContaining(
        `${file}:14:7: values.0.name: ssg-debian12-ds.xml has no value 'no_such_value'`,
      ),
      expect.stringContaining(`${file}:15:33: values.1.choice: 'var_accounts_tmout' offers 15_min`),
    ]);
  });

  it('refuses a role the profile does not define', () => {
    expect(refusal(() => compile('', 'database')).message).toContain("no role 'database' (there is base)");
  });

  it('refuses unknown keys and missing reasons with their place', () => {
    const { file, load } = profileFrom('deselect:\n  - rules: [package_ufw_installed]\ncolour: blue\n');
    const { message } = refusal(load);
    expect(message).toContain(`${file}:11:5: deselect.0.reason: missing`);
    expect(message).toContain(`${file}:12:1: colour: unknown key`);
  });

  it('refuses a profile file that is not there, naming it and the key that names another', () => {
    const refused = refusal(() => loadProfile('/nowhere/profile.yaml'));
    expect(refused.kind).toBe('invalid');
    expect(refused.message).toMatch(/^\/nowhere\/profile\.yaml: .*no such file/);
    expect(refused.remedy).toContain('image.hardening');
  });
});

describe('overlays', () => {
  const compileWith = (rest: string, overlays: Record<string, string>, role = 'base') =>
    tailoringOf(profileFrom(rest, overlays).load(), { role, now });
  const noUfw = `deselect:
  - { rules: [package_ufw_installed], reason: another firewall is used }
`;
  const noRoot = `rows:
  - { id: no-root, kind: sshd, rules: [sshd_disable_root_login], desired: { PermitRootLogin: 'no' } }
`;

  it('bring their departures and rows, and what a row answers is not left to the fixes of the content', () => {
    const { xml, profileId, remediationProfileId, rows } = compileWith('overlays: [one, two]\n', {
      one: noUfw,
      two: noRoot,
    });
    expect(selections(xml)[profileId]).toEqual({ package_ufw_installed: false });
    expect(selections(xml)[remediationProfileId]).toEqual({
      package_ufw_installed: false,
      sshd_disable_root_login: false,
    });
    expect(rows).toMatchObject([{ id: 'no-root', from: 'overlay two', rules: ['sshd_disable_root_login'] }]);
  });
  it('may answer one rule with two rows; a profile still selects it once, as XCCDF demands', () => {
    const twice = `${noRoot}  - { id: deny-root, kind: sshd, rules: [sshd_disable_root_login], desired: { DenyUsers: root } }\n`;
    const { xml } = compileWith('overlays: [two]\n', { two: twice });
    const profiles = xml.split('<Profile ').slice(1);
    expect(profiles.map((it) => it.match(/rule_sshd_disable_root_login"/g)?.length ?? 0)).toEqual([0, 1, 1]);
  });
  it('give way to the profile and to the role', () => {
    const rest = `overlays: [one]
roles:
  base: {}
  desktop:
    select:
      - { rules: [package_ufw_installed], reason: desktops use ufw after all }
`;
    const { xml, profileId } = compileWith(rest, { one: noUfw }, 'desktop');
    expect(selections(xml)[profileId]).toEqual({ package_ufw_installed: true });
  });
  it.each([
    [
      'that answer nothing of the profile',
      ['two'],
      { two: 'rows: []\n' },
      ':10:12: overlays.0: no rule of cis_level1_server is answered by the overlay two',
    ],
    [
      'that answer the same question',
      ['one', 'two'],
      { one: `choice: firewall\n${noUfw}`, two: `choice: firewall\n${noRoot}` },
      ':10:17: overlays.1: two and one are two answers to one question (firewall)',
    ],
  ])('are refused when the profile names some %s', (_, names, overlays, complaint) => {
    const { file, load } = profileFrom(`overlays: [${names.join(', ')}]\n`, overlays);
    const { message } = refusal(() => tailoringOf(load(), { role: 'base', now }));
    expect(message).toContain(file + complaint);
  });
  it('are refused when there is no such file, naming it and the profile', () => {
    const { file, load } = profileFrom('overlays: [nowhere]\n');
    const { message, remedy } = refusal(load);
    expect(message).toMatch(/overlays\/nowhere\.yaml: .*no such file/);
    expect(remedy).toContain(file);
  });
  it('are refused with line and column of their own file', () => {
    const { load } = profileFrom('overlays: [one]\n', { one: noUfw.replace('package_ufw', 'package_foo') });
    const { message } = refusal(() => tailoringOf(load(), { role: 'base', now }));
    expect(message).toMatch(/overlays\/one\.yaml:4:15: .* has no rule 'package_foo_installed'/);
  });
  it('and roles that contradict each other are refused where the later word stands', () => {
    const rest = `overlays: [one]
roles:
  base:
    rows:
      - { id: root, kind: sshd, desired: { PermitRootLogin: 'yes' } }
`;
    const { file, load } = profileFrom(rest, { one: noRoot });
    const { message } = refusal(() => tailoringOf(load(), { role: 'base', now }));
    expect(message).toContain(
      `${file}:14:44: roles.base.rows.0.desired.PermitRootLogin: 'yes' contradicts 'no' of the row no-root (overlay one)`,
    );
  });
  it('and a role that selects what it deselects is refused', () => {
    const rest = `roles:
  base:
    select:
      - { rules: [package_ufw_installed], reason: we want it here }
    deselect:
      - { rules: [package_ufw_installed], reason: we do not want it here }
`;
    const { load } = profileFrom(rest);
    const { message } = refusal(() => tailoringOf(load(), { role: 'base', now }));
    expect(message).toContain("'package_ufw_installed' is deselected here as well");
  });
});

describe("the project's own profiles", () => {
  it.each([
    ['cis-level1-server.yaml', 'debian-12', 'cis_level1_server'],
    ['cis-level1-server-amazon-linux-2023.yaml', 'amazon-linux-2023', 'cis_server_l1'],
  ])('%s has the right shape and is for %s', (name, distribution, base) => {
    const profile = loadProfile(join(import.meta.dirname, '../../hardening', name));
    expect(profile.content.distribution).toBe(distribution);
    expect(profile.profile).toBe(base);
    expect(profile.roles).toHaveProperty('base');
  });
});

it('names the partitions that a profile asks for and nothing makes', () => {
  const meaning = meaningOf(profileFrom('').load(), benchmark, { role: 'base', now });
  const waiver = { owner: 'platform', reason: 'on one disk', expires: '2028-01-01', compensation: 'a quota' };
  const rule = 'xccdf_org.ssgproject.content_rule_partition_for_home';
  const asked = {
    ...meaning,
    selected: new Set([
      'partition_for_var',
      'partition_for_home',
      'partition_for_tmp',
      'mount_option_var_nodev',
    ]),
    rows: [{ rules: ['partition_for_tmp'] }] as typeof meaning.rows,
    tailoring: { ...meaning.tailoring, waivers: [{ ...waiver, rule }] },
  };
  expect(unmadePartitions(asked)).toEqual(['partition_for_var']);
});
