/**
 * A hardening profile as a security engineer writes it: which benchmark content, which of its profiles, which
 * catalogue and overlays make it so, and every departure from it with a reason. Decides what the files may say and
 * reads them; what they mean against the content is tailoring.ts's business.
 */
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { parseYaml, readText } from '../pipeline/config/load.ts';
import { distributions } from '../pipeline/image.ts';
import { type AsItComes, catalogueSchema, type Row, rowSchema, ruleName } from './catalogue.ts';

const reason = z.string().min(10, 'say why, so that an auditor understands it');
const day = z.string().regex(/^\d{4}-\d\d-\d\d$/, "write a date as '2027-03-31'");
const name = z.string().regex(/^[a-z0-9-]+$/, 'small letters, digits and -');

const choice = z.strictObject({ rules: z.array(ruleName).min(1), reason });
const setting = z
  .strictObject({
    name: ruleName,
    choice: z.string().optional().meta({ description: "one of the content's named choices" }),
    value: z.string().optional().meta({ description: 'a literal value' }),
    reason,
  })
  .refine((it) => (it.choice === undefined) !== (it.value === undefined), 'give either `choice` or `value`');
const waiver = z.strictObject({
  rule: ruleName,
  owner: z.string().min(2),
  reason,
  expires: day,
  compensation: z.string().min(10, 'say what protects the image instead'),
});
const departures = {
  select: z.array(choice).default([]),
  deselect: z.array(choice).default([]),
  values: z.array(setting).default([]),
};
const departing = z.strictObject({ ...departures, rows: z.array(rowSchema).default([]) });

export const overlaySchema = z.strictObject({
  version: z.literal(1),
  title: z.string().min(1),
  choice: name.optional().meta({ description: 'of overlays with one word here a profile may have one' }),
  ...departing.shape,
});

export const profileSchema = z.strictObject({
  version: z.literal(1),
  id: z.string().regex(/^[a-z0-9_]+$/, 'small letters, digits and _'),
  title: z.string().min(1),
  content: z.strictObject({
    distribution: z.enum(distributions),
    package: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, 'a Debian package name'),
    minimum_version: z.string().regex(/^[0-9][A-Za-z0-9.+~-]*$/, "a version such as '0.1.82'"),
    data_stream: z.string().regex(/^[\w.-]+\.xml$/, 'a file name such as ssg-debian12-ds.xml'),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional()
      .meta({ description: 'pins the data stream' }),
  }),
  profile: ruleName,
  catalogue: z.array(name).default([]).meta({
    description: 'files of catalogue/ beside this one, without .yaml; without any only the content fixes',
  }),
  overlays: z
    .array(name)
    .default([])
    .meta({ description: 'files of overlays/ beside this one, without .yaml' }),
  ...departures,
  roles: z
    .record(z.string(), departing)
    .default({ base: { select: [], deselect: [], values: [], rows: [] } }),
  waivers: z.array(waiver).default([]),
});

export type ProfileData = z.output<typeof profileSchema>;
export type ContentRequest = ProfileData['content'];
/** What a profile, an overlay or a role says beyond the content's own profile. */
export type Departures = z.output<typeof departing>;
/** An accepted deviation. `rule` is the full XCCDF id; `expires` is a day (UTC) and the last one it covers. */
export type Waiver = z.output<typeof waiver>;

/** `file` and `text` stay with what was read so that a later complaint can name line and column. */
interface Read {
  file: string;
  text: string;
}
export interface Overlay extends Read, z.output<typeof overlaySchema> {
  name: string;
}
export interface Profile extends Read, ProfileData {
  catalogueRead: (Read & { rows: Row[]; as_it_comes: AsItComes[] })[];
  overlaysRead: Overlay[];
}

/**
 * Reads and validates a profile file and those it names.
 * @throws Refused('invalid') with file, line and column, all problems of the first bad file at once
 */
export function loadProfile(file: string): Profile {
  const text = readText(file, 'Name an existing profile in image.hardening of drover.yaml.');
  const data = parseYaml(text, file, profileSchema);
  const beside = (path: string) => {
    const found = resolve(dirname(file), path);
    return { file: found, text: readText(found, `Correct what ${file} names, or add the file.`) };
  };
  return {
    ...data,
    file,
    text,
    catalogueRead: data.catalogue.map((name) => {
      const read = beside(join('catalogue', `${name}.yaml`));
      return { ...read, ...parseYaml(read.text, read.file, catalogueSchema) };
    }),
    overlaysRead: data.overlays.map((overlay) => {
      const read = beside(join('overlays', `${overlay}.yaml`));
      return { ...read, ...parseYaml(read.text, read.file, overlaySchema), name: overlay };
    }),
  };
}
