/**
 * Writes answers of the AWS Query protocols from the operation's output and its schema; and the two envelopes
 * in which the services report errors. No operation has XML of its own.
 */
import type { NormalizedSchema } from '@smithy/core/schema';
import type { ServiceError } from '../model/errors.ts';
import { type Dialect, naming } from './query.ts';

interface Envelope {
  dialect: Dialect;
  operation: string;
  namespace: string;
  requestId: string;
}

export function writeAnswer(envelope: Envelope, schema: NormalizedSchema, output: object): string {
  const { dialect, operation, namespace, requestId } = envelope;
  const members = schema.isUnitSchema() ? '' : structure(schema, output as Record<string, unknown>);
  const content =
    dialect === 'ec2Query'
      ? element('requestId', escaped(requestId)) + members
      : (schema.isUnitSchema() ? '' : element(`${operation}Result`, members)) +
        element('ResponseMetadata', element('RequestId', escaped(requestId)));
  return `${prolog}<${operation}Response xmlns="${namespace}">${content}</${operation}Response>`;
}

export function writeError(envelope: Envelope, error: ServiceError): string {
  const { dialect, namespace, requestId } = envelope;
  const details = element('Code', escaped(error.code)) + element('Message', escaped(error.message));
  if (dialect === 'ec2Query') {
    const errors = element('Errors', element('Error', details));
    return prolog + element('Response', errors + element('RequestID', escaped(requestId)));
  }
  const type = element('Type', error.status < 500 ? 'Sender' : 'Receiver');
  const content = element('Error', type + details) + element('RequestId', escaped(requestId));
  return `${prolog}<ErrorResponse xmlns="${namespace}">${content}</ErrorResponse>`;
}

const prolog = '<?xml version="1.0" encoding="UTF-8"?>\n';
const element = (name: string, content: string): string => `<${name}>${content}</${name}>`;

function structure(schema: NormalizedSchema, value: Record<string, unknown>): string {
  let text = '';
  for (const [member, memberSchema] of schema.structIterator()) {
    const item = value[member];
    if (item === undefined || item === null) continue;
    const own = memberSchema.getMemberTraits() as { xmlName?: string };
    text += named(own.xmlName ?? member, memberSchema, item);
  }
  return text;
}

function named(name: string, schema: NormalizedSchema, value: unknown): string {
  if (schema.isListSchema()) {
    const item = schema.getValueSchema();
    const flat = Boolean(naming(schema).xmlFlattened);
    const itemName = flat ? name : (naming(item).xmlName ?? 'member');
    const items = (value as unknown[]).map((entry) => named(itemName, item, entry)).join('');
    return flat ? items : element(name, items);
  }
  if (schema.isMapSchema()) {
    const keyName = naming(schema.getKeySchema()).xmlName ?? 'key';
    const valueName = naming(schema.getValueSchema()).xmlName ?? 'value';
    const entries = Object.entries(value as Record<string, unknown>).map(([key, entry]) =>
      element('entry', element(keyName, escaped(key)) + named(valueName, schema.getValueSchema(), entry)),
    );
    return element(name, entries.join(''));
  }
  if (schema.isStructSchema()) return element(name, structure(schema, value as Record<string, unknown>));
  return element(name, escaped(scalar(schema, value)));
}

function scalar(schema: NormalizedSchema, value: unknown): string {
  if (schema.isTimestampSchema()) return new Date(value as Date | number | string).toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  return String(value);
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};

/** XML 1.0 has no way to write most control characters; they become '?'. */
function escaped(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
  const writable = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '?');
  return writable.replace(/[&<>"\r]/g, (found) => entities[found]!);
}
