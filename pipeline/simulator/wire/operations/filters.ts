/**
 * EC2's filters: values within one filter are alternatives, several filters must all match; '*' and '?' are
 * wildcards. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
 */
import { ServiceError } from '../../model/errors.ts';
import type { Tags } from '../../model/state.ts';

export interface Filter {
  Name?: string | undefined;
  Values?: string[] | undefined;
}

/** Filter name → the values an item has under it. */
export type Facets<T> = Record<string, (item: T) => readonly (string | null | undefined)[]>;

export function filtered<T extends { tags: Tags }>(
  items: readonly T[],
  filters: readonly Filter[] | undefined,
  facets: Facets<T>,
): T[] {
  const conditions = (filters ?? []).map((filter) => condition(filter, facets));
  return items.filter((item) => conditions.every((matches) => matches(item)));
}

function condition<T extends { tags: Tags }>(filter: Filter, facets: Facets<T>): (item: T) => boolean {
  const name = filter.Name ?? '';
  const patterns = (filter.Values ?? []).map(pattern);
  const matches = (values: readonly (string | null | undefined)[]): boolean =>
    values.some((value) => value != null && patterns.some((one) => one.test(value)));
  if (name.startsWith('tag:')) {
    const key = name.slice('tag:'.length);
    return (item) => Object.hasOwn(item.tags, key) && matches([item.tags[key]]);
  }
  if (name === 'tag-key') return (item) => matches(Object.keys(item.tags));
  const facet = Object.hasOwn(facets, name) ? facets[name] : undefined;
  if (!facet) throw new ServiceError('InvalidParameterValue', `The filter '${name}' is invalid`);
  return (item) => matches(facet(item));
}

function pattern(text: string): RegExp {
  const source = text.replace(/[\\^$.*+?()[\]{}|]/g, (found) =>
    found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`,
  );
  return new RegExp(`^${source}$`, 's');
}
