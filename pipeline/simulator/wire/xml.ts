/**
 * The AWS Query protocols: requests are read by query.ts, answers written here from the operation's output and its
 * schema, in the envelope of each dialect. No operation has XML of its own.
 */
import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceError } from '../model/errors.ts';
import { type Protocol, parametersOf, type Written } from './protocol.ts';
import { type Dialect, missingParameter, naming, readQuery } from './query.ts';

/** The protocol in which a service of this dialect speaks. */
export function queryProtocol(dialect: Dialect): Protocol {
  const isEc2 = dialect === 'ec2Query';
  const written = (requestId: string, body: string): Written => ({
    headers: { 'content-type': isEc2 ? 'text/xml;charset=UTF-8' : 'text/xml', 'x-amzn-requestid': requestId },
    body: prolog + body,
  });
  return {
    read: (request, schema) => readQuery(parametersOf(request), schema, dialect),
    write({ service, operation, requestId }, schema, output) {
      const members = schema.isUnitSchema() ? '' : structure(schema, output);
      const content = isEc2
        ? element('requestId', escaped(requestId)) + members
        : (schema.isUnitSchema() ? '' : element(`${operation}Result`, members)) +
          element('ResponseMetadata', element('RequestId', escaped(requestId)));
      const root = `${operation}Response`;
      return written(requestId, `<${root} xmlns="${service.namespace}">${content}</${root}>`);
    },
    writeError({ service, requestId }, error) {
      const details = element('Code', escaped(error.code)) + element('Message', escaped(error.message));
      if (isEc2) {
        const errors = element('Errors', element('Error', details));
        return written(requestId, element('Response', errors + element('RequestID', escaped(requestId))));
      }
      const type = element('Type', error.status < 500 ? 'Sender' : 'Receiver');
      const content = element('Error', type + details) + element('RequestId', escaped(requestId));
      return written(requestId, `<ErrorResponse xmlns="${service.namespace}">${content}</ErrorResponse>`);
    },
    missing: (path) => missingParameter(path, dialect),
    unknownOperation: (name) =>
      new ServiceError('InvalidAction', `The action ${name} is not valid for this web service.`),
    unsigned: () =>
      isEc2
        ? new ServiceError('AuthFailure', 'AWS was not able to validate the provided access credentials', 401)
        : new ServiceError('MissingAuthenticationToken', 'Request is missing Authentication Token', 403),
  };
}

const prolog = '<?xml version="1.0" encoding="UTF-8"?>\n';
export const element = (name: string, content: string): string => `<${name}>${content}</${name}>`;

/** Writes one value as an element of the given name. */
type Writer = (name: string, value: unknown) => string;

/** Schemas are read once: an answer of a thousand instances has fifty thousand elements of the same few shapes. */
const writers = new WeakMap<NormalizedSchema, Writer>();

function writerOf(schema: NormalizedSchema): Writer {
  let writer = writers.get(schema);
  if (!writer) {
    writer = compile(schema);
    writers.set(schema, writer);
  }
  return writer;
}

function compile(schema: NormalizedSchema): Writer {
  if (schema.isListSchema()) return listWriter(schema);
  if (schema.isMapSchema()) return mapWriter(schema);
  if (schema.isStructSchema()) {
    const content = contentWriter(schema);
    return (name, value) => element(name, content(value as Record<string, unknown>));
  }
  if (schema.isTimestampSchema()) {
    return (name, value) => element(name, new Date(value as Date | number | string).toISOString());
  }
  if (schema.isBlobSchema()) {
    return (name, value) => element(name, Buffer.from(value as Uint8Array).toString('base64'));
  }
  return (name, value) => element(name, escaped(String(value)));
}

function listWriter(schema: NormalizedSchema): Writer {
  const item = schema.getValueSchema();
  const itemName = naming(item).xmlName ?? 'member';
  const flat = Boolean(naming(schema).xmlFlattened);
  const write = lazily(item);
  return (name, value) => {
    const items = (value as unknown[]).map((entry) => write(flat ? name : itemName, entry)).join('');
    return flat ? items : element(name, items);
  };
}

function mapWriter(schema: NormalizedSchema): Writer {
  const keyName = naming(schema.getKeySchema()).xmlName ?? 'key';
  const item = schema.getValueSchema();
  const itemName = naming(item).xmlName ?? 'value';
  const write = lazily(item);
  return (name, value) => {
    const entries = Object.entries(value as Record<string, unknown>).map(([key, entry]) =>
      element('entry', element(keyName, escaped(key)) + write(itemName, entry)),
    );
    return element(name, entries.join(''));
  };
}

function contentWriter(schema: NormalizedSchema): (value: Record<string, unknown>) => string {
  const members = [...schema.structIterator()].map(([member, memberSchema]) => {
    const own = memberSchema.getMemberTraits() as { xmlName?: string };
    return { member, name: own.xmlName ?? member, write: lazily(memberSchema) };
  });
  return (value) => {
    let text = '';
    for (const { member, name, write } of members) {
      const item = value[member];
      if (item !== undefined && item !== null) text += write(name, item);
    }
    return text;
  };
}

/** Shapes may contain themselves, so the writer of a part is made when it is first needed. */
const lazily =
  (schema: NormalizedSchema): Writer =>
  (name, value) =>
    writerOf(schema)(name, value);

const answers = new WeakMap<NormalizedSchema, (value: Record<string, unknown>) => string>();

function structure(schema: NormalizedSchema, output: object): string {
  let content = answers.get(schema);
  if (!content) {
    content = contentWriter(schema);
    answers.set(schema, content);
  }
  return content(output as Record<string, unknown>);
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};

/** XML 1.0 has no way to write most control characters; they become '?'. */
export function escaped(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
  const writable = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '?');
  return writable.replace(/[&<>"\r]/g, (found) => entities[found]!);
}
