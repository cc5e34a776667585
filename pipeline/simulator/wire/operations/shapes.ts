/** Small pieces of AWS's shapes that several resources share. */
import type { Tags, TemplateData } from '../../model/state.ts';

export const tagList = (tags: Tags): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

export const tagRecord = (
  list: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined,
): Tags => Object.fromEntries((list ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));

/** A structure the model only keeps, as plain data. */
export const plain = (value: object | undefined): TemplateData =>
  JSON.parse(JSON.stringify(value ?? {})) as TemplateData;
