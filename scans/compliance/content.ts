/**
 * What a SCAP source data stream says about its rules: title, severity, CIS section, and whether judging a rule
 * needs a running system. Decides the last from the probes the rule's own check and applicability tests reach,
 * followed through every reference of the OVAL definitions; never from a rule's name.
 *
 * Formats: XCCDF 1.2 (NISTIR 7275r4), OVAL 5.11, SCAP 1.3 source data streams (NIST SP 800-126r3).
 */
import { XMLParser } from 'fast-xml-parser';

export interface Rule {
  /** XCCDF id. */
  id: string;
  title: string;
  severity: string;
  /** CIS reference numbers, e.g. ['5.1.20']. */
  sections: string[];
  /** OVAL object and test kinds that only a running system can answer; empty: the disk alone answers. */
  liveProbes: string[];
  /** The conditions under which the benchmark applies it, in the content's words; where one is not met it does not. */
  conditions: string[];
}

/** Before every name of a rule. */
export const rulePrefix = 'xccdf_org.ssgproject.content_rule_';

export interface Content {
  rules: ReadonlyMap<string, Rule>;
}

/** Where only the kernel and the services of a running system put files. */
const kernelFile = 'file below /proc, /sys or /run';
const readsKernel = (object: Node): boolean =>
  [object.path, object.filepath].some((path) => /^\^?\/(proc|sys|run|var\/run)(\/|$)/.test(textOf(path)));

/**
 * Probes that read the kernel's or the service manager's state (or the process's own environment), not files.
 * `sysctl` reads /proc/sys, `systemdunit*` asks systemd over D-Bus. `partition` reads the mount table: where a
 * test asks it (is /tmp mounted noexec?), only the running system knows; where a file search merely takes its
 * starting points from it (unowned files on local file systems), the mounted disk answers, and far faster.
 */
const liveKinds = new Set([
  'environmentvariable58_object',
  'iflisteners_object',
  'inetlisteningservers_object',
  'interface_object',
  'partition_test',
  'process58_object',
  'process_object',
  'routingtable_object',
  'runlevel_object',
  'selinuxboolean_object',
  'selinuxsecuritycontext_object',
  'sysctl_object',
  'systemdunitdependency_object',
  'systemdunitproperty_object',
  'uname_object',
  kernelFile,
]);

/** Conditions every machine image meets: that it is a machine, and neither a container nor made by bootc. */
const everyMachine = /^oval:ssg-(installed_env_is_a_(container|machine)|system_with_kernel|bootc):def:/;

/** OVAL's ids: definitions, tests, objects, states and variables all look like this. */
const ovalId = /^oval:[A-Za-z0-9_.-]+:(?:def|tst|obj|ste|var):\d+$/;

type Node = { [key: string]: unknown };

/** @throws Error when the text is not a data stream with a benchmark and OVAL definitions */
export function parseContent(xml: string): Content {
  const collection = nodeOf(parser.parse(xml)['data-stream-collection']);
  const components = listOf(collection?.component);
  const benchmark = components.map((component) => nodeOf(component.Benchmark)).find(Boolean);
  const definitions = components.flatMap((component) => listOf(component.oval_definitions));
  if (!benchmark || definitions.length === 0) {
    throw new Error('not a SCAP source data stream: it holds no benchmark or no OVAL definitions');
  }
  const liveOf = liveProbesIn(definitions);
  const titles = titlesIn(definitions);
  const platforms = platformReferences(benchmark);
  const referencesOf = (platform: Node) => platforms.get(String(platform['@idref']).replace(/^#/, '')) ?? [];
  const rules = new Map<string, Rule>();
  for (const { rule: node, groups } of rulesIn(benchmark)) {
    const id = String(node['@id']);
    const references = [...referencesIn(node.check), ...referencesIn(node['complex-check'])];
    references.push(...listOf(node.platform).flatMap(referencesOf));
    const conditions = [node, ...groups]
      .flatMap((it) => listOf(it.platform))
      .flatMap(referencesOf)
      .filter((reference) => !everyMachine.test(reference));
    const liveProbes = [...new Set(references.flatMap(liveOf))].sort();
    const sections = listOf(node.reference)
      .filter((reference) => /cisecurity\.org\/benchmark/.test(String(reference['@href'])))
      .map((reference) => String(reference['#text']));
    rules.set(id, {
      id,
      title: textOf(node.title),
      severity: String(node['@severity'] ?? 'unknown'),
      sections,
      liveProbes,
      conditions: [...new Set(conditions.map((it) => titles.get(it) || it))],
    });
  }
  return { rules };
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  // Prose and fixes are most of the file and none of our business.
  stopNodes: ['*.fix', '*.fixtext', '*.description', '*.rationale', '*.warning', '*.ocil', '*.metadata'],
});

const nodeOf = (value: unknown): Node | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : undefined;

/** An element that may be absent, single or repeated; text alone becomes a node with text. */
const listOf = (value: unknown): Node[] =>
  (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(
    (entry) => nodeOf(entry) ?? { '#text': entry },
  );

const textOf = (value: unknown): string => String(nodeOf(value)?.['#text'] ?? value ?? '').trim();

/** Every rule with the groups it stands in. */
function* rulesIn(group: Node, groups: Node[] = []): Generator<{ rule: Node; groups: Node[] }> {
  for (const rule of listOf(group.Rule)) yield { rule, groups };
  for (const inner of listOf(group.Group)) yield* rulesIn(inner, [...groups, inner]);
}

/** OVAL definition → its title. */
function titlesIn(definitions: readonly Node[]): Map<string, string> {
  const entries = definitions.flatMap((it) => listOf(nodeOf(it.definitions)?.definition));
  return new Map(
    // The metadata is left as text by the parser.
    entries.map((it) => [
      String(it['@id']),
      /<(?:[\w-]+:)?title>([^<]+)</.exec(textOf(it.metadata))?.[1] ?? '',
    ]),
  );
}

/** Every OVAL id below a node, in attributes or text. */
function* referencesIn(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    if (ovalId.test(value)) yield value;
  } else if (Array.isArray(value)) {
    for (const entry of value) yield* referencesIn(entry);
  } else if (typeof value === 'object' && value !== null) {
    for (const entry of Object.values(value)) yield* referencesIn(entry);
  }
}

/** CPE applicability: platform id → the OVAL definitions that decide it. */
function platformReferences(benchmark: Node): Map<string, string[]> {
  const specification = nodeOf(benchmark['platform-specification']);
  return new Map(
    listOf(specification?.platform).map((platform) => [String(platform['@id']), [...referencesIn(platform)]]),
  );
}

/** OVAL id → the live kinds reachable from it. */
function liveProbesIn(definitions: readonly Node[]): (id: string) => string[] {
  const kinds = new Map<string, string>();
  const references = new Map<string, string[]>();
  for (const definition of definitions) {
    for (const section of ['definitions', 'tests', 'objects', 'states', 'variables']) {
      for (const [kind, entries] of Object.entries(nodeOf(definition[section]) ?? {})) {
        for (const entry of listOf(entries)) {
          const id = String(entry['@id']);
          kinds.set(id, section === 'objects' && readsKernel(entry) ? kernelFile : kind);
          references.set(id, [...referencesIn({ ...entry, '@id': '' })]);
        }
      }
    }
  }
  return (start) => {
    const seen = new Set<string>([start]);
    // A Set's iteration includes what is added meanwhile: this visits the closure.
    for (const id of seen) for (const next of references.get(id) ?? []) seen.add(next);
    return [...seen].map((id) => kinds.get(id) ?? '').filter((kind) => liveKinds.has(kind));
  };
}
