/**
 * The names a SCAP source data stream defines: rules, profiles with what they select, values with their choices.
 * Decides nothing. A scan for tags instead of an XML parse: the stream is 15 MB of machine-written XML, and only ids
 * are wanted.
 */

export interface Benchmark {
  rules: ReadonlySet<string>;
  profiles: ReadonlyMap<string, BenchmarkProfile>;
  /** Value name → its choices by name; the one without a name is ''. */
  values: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Rule name → NIST SP 800-53 controls, without their sub-items: 'CM-6', 'AC-6(1)'. */
  controls: ReadonlyMap<string, readonly string[]>;
  /** When the stream was made; its own words. */
  timestamp: string;
}

interface BenchmarkProfile {
  selected: ReadonlySet<string>;
  /** Value name → the choice the profile makes. */
  choices: ReadonlyMap<string, string>;
}

/** The content's ids without their common prefix. */
export const prefix = (kind: 'rule' | 'value' | 'profile') => `xccdf_org.ssgproject.content_${kind}_`;

export function readBenchmark(dataStream: string): Benchmark {
  const rules = new Set<string>();
  const controls = new Map<string, readonly string[]>();
  for (const [, name, body = ''] of elements(dataStream, 'Rule', 'rule')) {
    rules.add(name!);
    controls.set(name!, controlsIn(body));
  }
  const profiles = new Map<string, BenchmarkProfile>();
  for (const [, name, body = ''] of elements(dataStream, 'Profile', 'profile')) {
    profiles.set(name!, {
      selected: new Set(all(body, new RegExp(`idref="${prefix('rule')}([^"]+)" selected="true"`, 'g'))),
      choices: new Map(
        [...body.matchAll(new RegExp(`idref="${prefix('value')}([^"]+)" selector="([^"]*)"`, 'g'))].map(
          ([, value, choice]) => [value!, choice!],
        ),
      ),
    });
  }
  const values = new Map<string, ReadonlyMap<string, string>>();
  for (const [, name, body = ''] of elements(dataStream, 'Value', 'value')) {
    const choices = body.matchAll(/<(?:[\w.-]+:)?value(?: selector="([^"]*)")?>([^<]*)</g);
    values.set(name!, new Map([...choices].map(([, selector = '', text]) => [selector, plain(text!)])));
  }
  const timestamp =
    /<ds:data-stream [^>]*\btimestamp="([^"]+)"/.exec(dataStream)?.[1] ?? '1970-01-01T00:00:00';
  return { rules, profiles, values, controls, timestamp };
}

/** Name and body of every element with such an id; one written as an empty tag has an empty body. */
const elements = (text: string, element: string, kind: 'rule' | 'value' | 'profile') =>
  text.matchAll(
    new RegExp(
      `<(?:[\\w.-]+:)?${element} [^>]*?\\bid="${prefix(kind)}([^"]+)"[^>]*?(?:/>|>(.*?)</(?:[\\w.-]+:)?${element}>)`,
      'gs',
    ),
  );

const all = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, first]) => first!);

/** A control's sub-items, as in 'CM-7(a)', are the same control; enhancements, as in 'AC-6(1)', are not. */
function controlsIn(rule: string): string[] {
  const references = all(rule, /<(?:[\w.-]+:)?reference href="[^"]*800-53[^"]*">([^<]+)</g);
  const named = references.map((it) => /^[A-Z]{2}-\d+(?: ?\(\d+\))?/.exec(it)?.[0].replace(' ', ''));
  return [...new Set(named.filter((it) => it !== undefined))].sort();
}

const plain = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
