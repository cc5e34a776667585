import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Content, parseContent } from '../../scans/compliance/content.ts';
import { auditEnvironment, auditWords, quote, shell } from '../../scans/compliance/oscap.ts';
import { compareSections, mergeReport, rulesForBoot, type Waiver } from '../../scans/compliance/report.ts';
import { type RuleResult, readAudit } from '../../scans/compliance/results.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const ssg = (name: string) => `xccdf_org.ssgproject.content_rule_${name}`;

describe("OpenSCAP's results", () => {
  const good = { resultsXml: fixture('xccdf-results.xml'), log: '', exitCode: 2 };

  test('give one result per selected rule, and the version of the scanner', () => {
    const { results, scannerVersion } = readAudit(good);
    expect(scannerVersion).toBe('1.3.7');
    expect(results.get(ssg('file_owner_etc_shadow'))).toBe('pass');
    expect(results.get(ssg('sysctl_net_ipv4_ip_forward'))).toBe('fail');
    expect(results.get(ssg('service_systemd-journald_enabled'))).toBe('unknown');
    expect(results.has(ssg('directory_owner_etc_nftables'))).toBe(false);
    expect(results.size).toBe(9);
  });
  test('do not count when the package state could not be read, although oscap ends well', () => {
    expect(() => readAudit({ ...good, exitCode: 0, log: fixture('oscap-dpkginfo.log') })).toThrow(
      'dpkginfo_init has failed',
    );
  });
  test('do not count when the file is cut off', () => {
    expect(() => readAudit({ ...good, resultsXml: fixture('xccdf-truncated.xml') })).toThrow('incomplete');
  });
  test('do not count wherever the file is cut off', () => {
    const xml = good.resultsXml.trimEnd();
    for (let length = 0; length < xml.length; length += 97) {
      expect(() => readAudit({ ...good, resultsXml: xml.slice(0, length) })).toThrow();
    }
  });
  test('do not count when oscap ended with an error, whose last complaint is the reason', () => {
    expect(() =>
      readAudit({ ...good, exitCode: 1, log: 'OpenSCAP Error: no such profile\nWARNING: Skipping x\n' }),
    ).toThrow('oscap ended with 1: OpenSCAP Error: no such profile');
  });
  test('do not count when no rule was evaluated', () => {
    const none = good.resultsXml.replace(/<result>\w+<\/result>/g, '<result>notselected</result>');
    expect(() => readAudit({ ...good, resultsXml: none })).toThrow('evaluated no rule');
  });
  test('do not count with a result nobody knows', () => {
    const odd = good.resultsXml.replace('<result>pass</result>', '<result>maybe</result>');
    expect(() => readAudit({ ...good, resultsXml: odd })).toThrow('makes no sense');
  });
});

describe('the benchmark', () => {
  const content = parseContent(fixture('data-stream.xml'));
  const live = (name: string) => content.rules.get(ssg(name))?.liveProbes;

  test('gives titles, severities and CIS sections', () => {
    expect(content.rules.get(ssg('file_owner_etc_shadow'))).toEqual({
      id: ssg('file_owner_etc_shadow'),
      title: 'Verify the owner of /etc/shadow',
      severity: 'medium',
      sections: ['7.1.5'],
      liveProbes: [],
      conditions: [],
    });
  });
  test('a rule about the running kernel needs the running system', () => {
    expect(live('sysctl_ip_forward')).toEqual(['sysctl_object']);
  });
  test('so does one that reaches the service manager through definitions, variables and objects', () => {
    expect(live('one_firewall_active')).toEqual(['systemdunitproperty_object']);
  });
  test('so does one whose applicability asks about a mount', () => {
    expect(live('tmp_file_with_platform')).toEqual(['partition_test']);
  });
  test('so does one that reads a file below /sys', () => {
    expect(live('apparmor_enforcing')).toEqual(['file below /proc, /sys or /run']);
  });
  test('says under which conditions a rule applies, in its own words', () => {
    expect(content.rules.get(ssg('tmp_file_with_platform'))?.conditions).toEqual(['System has /tmp mounted']);
  });
  test('a file search that only starts at local mount points does not', () => {
    expect(live('no_unowned_files')).toEqual([]);
  });
  test.each([
    '',
    '<Benchmark/>',
    '<data-stream-collection/>',
    '<data-stream-collection><component><Benchmark/></component></data-stream-collection>',
  ])('that is no data stream is an error: %j', (text) => {
    expect(() => parseContent(text)).toThrow('not a SCAP source data stream');
  });
});

describe('the merged report', () => {
  const rule = (id: string, liveProbes: string[] = [], sections: string[] = []) =>
    [
      id,
      { id, title: `Title of ${id}`, severity: 'medium', sections, liveProbes, conditions: [] as string[] },
    ] as const;
  const content: Content = {
    rules: new Map([
      rule(ssg('static'), [], ['2.10']),
      rule(ssg('live'), ['sysctl_object'], ['2.9']),
      rule(ssg('silent')),
      rule(ssg('manual')),
    ]),
  };
  const offline = new Map<string, RuleResult>([
    [ssg('static'), 'pass'],
    [ssg('live'), 'fail'],
    [ssg('silent'), 'unknown'],
    [ssg('manual'), 'notchecked'],
  ]);
  const booted = new Map<string, RuleResult>([
    [ssg('live'), 'pass'],
    [ssg('silent'), 'fail'],
  ]);
  const manual = new Map([[ssg('manual'), { result: 'pass', remark: 'looked and found it good' } as const]]);
  const merge = (overrides: Partial<Parameters<typeof mergeReport>[0]> = {}) =>
    mergeReport({
      imageId: 'img-1',
      at: '2026-06-30T12:00:00.000Z',
      scanner: 'OpenSCAP 1.3.7',
      content,
      contentIdentity: { package: 'ssg-debian', version: '0.1.82-1', sha256: '0' },
      profile: 'p',
      tailoringSha256: '0',
      offline,
      booted,
      own: manual,
      waivers: [],
      ...overrides,
    });
  const waiver: Waiver = {
    rule: 'silent',
    owner: 'ada',
    reason: 'until the next kernel',
    expires: '2026-06-30',
  };

  test('asks the running system about live rules and unanswered ones, not about manual ones', () => {
    expect(rulesForBoot(content, offline)).toEqual([ssg('live'), ssg('silent')]);
  });
  test('says for each rule where it was judged and what the disk had said', () => {
    const byId = new Map(merge().rules.map((entry) => [entry.id, entry]));
    expect(byId.get(ssg('static'))).toMatchObject({ result: 'pass', judged: 'offline', offline: null });
    expect(byId.get(ssg('live'))).toMatchObject({ result: 'pass', judged: 'booted', offline: 'fail' });
    expect(byId.get(ssg('manual'))).toMatchObject({ result: 'pass', judged: 'own', offline: null });
    expect(merge().judged).toEqual({ offline: 1, booted: 2, own: 1 });
  });
  test('scores pass against pass and fail', () => {
    expect(merge()).toMatchObject({ score: 0.75, scoreNetOfWaivers: 0.75, waived: 0, unexplained: 0 });
  });
  test('rounds the score down', () => {
    const many = new Map(
      [...Array(10_001).keys()].map((n): [string, RuleResult] => [`r${n}`, n === 0 ? 'fail' : 'pass']),
    );
    expect(merge({ offline: many, booted: new Map() }).score).toBe(0.9999);
  });
  test('takes a waived failure out of the net score, on its last day too', () => {
    expect(merge({ waivers: [waiver] })).toMatchObject({ score: 0.75, scoreNetOfWaivers: 1, waived: 1 });
  });
  test('does not honour an expired waiver, and shows it', () => {
    const report = merge({ waivers: [{ ...waiver, expires: '2026-06-29' }] });
    expect(report).toMatchObject({ scoreNetOfWaivers: 0.75, waived: 0 });
    expect(report.rules.find(({ id }) => id === ssg('silent'))?.waiver).toMatchObject({
      owner: 'ada',
      expired: true,
    });
  });
  test('counts an unwaived error as unexplained', () => {
    const failing = new Map(booted).set(ssg('live'), 'error');
    expect(merge({ booted: failing }).unexplained).toBe(1);
    expect(merge({ booted: failing, waivers: [{ ...waiver, rule: ssg('live') }] }).unexplained).toBe(0);
  });
  test('refuses to be made without an answer the running system owes', () => {
    expect(() => merge({ booted: new Map([[ssg('live'), 'pass']]) })).toThrow('was not asked about 1 rules');
  });
  test('has no score when nothing passes or fails', () => {
    const none = { offline: new Map([[ssg('manual'), 'notchecked' as const]]), booted: new Map() };
    expect(merge({ ...none, own: new Map() }).score).toBeNull();
  });
  test("counts a rule nobody checked as unexplained, the content's checks and ours", () => {
    expect(merge({ own: new Map() }).unexplained).toBe(1);
  });
  test('hears no check of ours where the content has one', () => {
    const own = new Map([[ssg('silent'), { result: 'pass', remark: 'we know better' } as const]]);
    const silent = merge({ own }).rules.find(({ id }) => id === ssg('silent'));
    expect(silent).toMatchObject({ result: 'fail', judged: 'booted', remark: null });
  });
  test('says why a rule does not apply, and counts one that gives no reason as unexplained', () => {
    const rules = new Map(content.rules);
    rules.set(ssg('static'), { ...rules.get(ssg('static'))!, conditions: ['Package gdm is installed'] });
    const not = new Map(offline).set(ssg('static'), 'notapplicable');
    const reasoned = merge({ content: { rules }, offline: not });
    expect(reasoned.unexplained).toBe(0);
    expect(reasoned.rules.find(({ id }) => id === ssg('static'))?.remark).toBe(
      'applies only where: Package gdm is installed',
    );
    expect(merge({ offline: not }).unexplained).toBe(1);
  });
  test('orders rules by section as numbers', () => {
    expect(merge().rules.map(({ sections }) => sections[0])).toEqual(['2.9', '2.10', undefined, undefined]);
    expect(compareSections('1.1', '1.1.1')).toBeLessThan(0);
  });
});

describe('the call of oscap', () => {
  const places = { scanner: '/s', work: '/w' };
  const inputs = { contentPath: '/c.xml', tailoringPath: '/t.xml', profileId: 'p', rules: ['a', 'b'] };
  test('names every rule it shall judge', () => {
    expect(auditWords(inputs, places).join(' ')).toContain(
      '--rule a --rule b --results /w/results.xml /c.xml',
    );
  });
  test('has an apt configuration of its own and no script checks', () => {
    expect(auditEnvironment(places)).toEqual(
      expect.arrayContaining(['APT_CONFIG=/w/apt.conf', 'OSCAP_CHECK_ENGINE_PLUGIN_DIR=/nonexistent']),
    );
  });
  test('survives a shell', () => {
    expect(quote("it's $HOME")).toBe("'it'\\''s $HOME'");
    expect(shell(['echo', 'a b', 'c'])).toBe("echo 'a b' c");
  });
});
