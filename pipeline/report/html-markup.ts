/**
 * Markup that cannot be injected into, and the one way the report writes times, durations and numbers. Pure, and
 * without Intl: the same journal must render to the same bytes on every machine and Node version.
 */

/** Text that is already HTML. Only `html` makes one. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** A template whose values are escaped unless they are Markup; null, undefined and false are nothing. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Markup {
  return new Markup(strings.reduce((text, part, n) => text + render(values[n - 1]) + part));
}

function render(content: Content): string {
  if (content === null || content === undefined || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string') return escapeHtml(content);
  if (typeof content === 'number') return String(content);
  return content.map(render).join('');
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Besides markup, characters that can hide or reorder what a person reads are made visible. */
export const escapeHtml = (text: string): string =>
  text
    .replace(/[&<>"']/g, (character) => entities[character]!)
    .replace(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );

/** '4.2 s', '3 min 05 s', '1 h 07 min'. */
export function duration(ms: number): string {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

const two = (n: number) => String(n).padStart(2, '0');

/** '2026-11-22 06:34:12' of an RFC 3339 time in UTC. */
export const dateTime = (at: string): string => at.slice(0, 19).replace('T', ' ');
/** '06:34:12'. */
export const timeOfDay = (at: string): string => at.slice(11, 19);

export const epochMs = (at: string): number => Date.parse(at);

/** '12,345'. */
export const count = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

/** '1 group', '3 groups'. */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`;

/** '97.2 %' of a fraction; never rounded up to 100 when it is less. */
export const percent = (fraction: number): string => `${(Math.floor(fraction * 1000) / 10).toFixed(1)} %`;

/** '1.4 MB' (10^6). */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}

/** A coordinate or percentage with two decimals at most. */
export const coordinate = (n: number): string => String(Math.round(n * 100) / 100);

export type Tone = 'good' | 'bad' | 'warn' | 'plain' | 'accent';

/** A label with a colour; the words carry the meaning, the colour only repeats it. */
export const badge = (text: string, tone: Tone): Markup => html`<span class="badge ${tone}">${text}</span>`;

/** The first 12 digits of a digest, the rest on hover. */
export const shortDigest = (digest: string): Markup =>
  html`<code title="${digest}">${digest.length > 16 ? `${digest.slice(0, 12)}…` : digest}</code>`;
