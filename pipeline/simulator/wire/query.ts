/**
 * Reads a request of the AWS Query protocols into the operation's input, as its schema says. Two dialects:
 * awsQuery (Auto Scaling, Elastic Load Balancing: 'Tags.member.1.Key') and ec2Query ('TagSpecification.1.Tag.1.Key').
 * https://smithy.io/2.0/aws/protocols/aws-query-protocol.html, https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
 */
import type { NormalizedSchema } from '@smithy/core/schema';
import { ServiceError, validationError } from '../model/errors.ts';
import { requiredMembers, UnknownParameter } from './protocol.ts';

export type Dialect = 'awsQuery' | 'ec2Query';

type Tree = Map<string, Tree> & { text?: string };

/** Parameters that belong to the protocol or to the signature, not to the operation. */
const envelope =
  /^(?:Action|Version|X-Amz-.*|AWSAccessKeyId|Signature|SignatureMethod|SignatureVersion|Timestamp|Expires|SecurityToken)$/;

/** The traits of a schema that decide names on the wire; @smithy/types declares only those of its own protocols. */
interface NamingTraits {
  xmlName?: string;
  xmlFlattened?: number;
  ec2QueryName?: string;
}
export const naming = (schema: NormalizedSchema): NamingTraits => schema.getMergedTraits() as NamingTraits;

export function readQuery(
  parameters: URLSearchParams,
  inputSchema: NormalizedSchema,
  dialect: Dialect,
): Record<string, unknown> {
  const tree: Tree = new Map();
  for (const [name, text] of parameters) {
    if (!envelope.test(name)) insert(tree, name.split('.'), text);
  }
  if (inputSchema.isUnitSchema()) {
    const [unknown] = tree.keys();
    if (unknown !== undefined) throw unknownParameter(unknown, dialect);
    return {};
  }
  return new Reader(dialect).structure(inputSchema, tree, '');
}

function insert(tree: Tree, path: string[], text: string): void {
  let node = tree;
  for (const part of path) {
    let child = node.get(part);
    if (!child) {
      child = new Map();
      node.set(part, child);
    }
    node = child;
  }
  node.text = text;
}

class Reader {
  readonly dialect: Dialect;
  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  structure(schema: NormalizedSchema, tree: Tree, path: string): Record<string, unknown> {
    const input: Record<string, unknown> = {};
    const known = new Set<string>();
    for (const [member, memberSchema] of schema.structIterator()) {
      const key = this.structureKey(member, memberSchema);
      known.add(key);
      const node = tree.get(key);
      if (node) input[member] = this.value(memberSchema, node, path + key);
    }
    for (const key of tree.keys()) {
      if (!known.has(key)) throw unknownParameter(path + key, this.dialect);
    }
    for (const member of requiredMembers(schema)) {
      if (input[member] === undefined) {
        throw missingParameter(
          path + this.structureKey(member, schema.getMemberSchema(member)),
          this.dialect,
        );
      }
    }
    return input;
  }

  private structureKey(member: string, schema: NormalizedSchema): string {
    const { xmlName, ec2QueryName } = naming(schema);
    if (this.dialect === 'awsQuery') return xmlName ?? member;
    if (ec2QueryName) return ec2QueryName;
    const key = xmlName ?? member;
    return key.charAt(0).toUpperCase() + key.slice(1);
  }

  private value(schema: NormalizedSchema, node: Tree, path: string): unknown {
    if (schema.isListSchema()) return this.list(schema, node, path);
    if (schema.isMapSchema()) return this.map(schema, node, path);
    if (schema.isStructSchema()) return this.structure(schema, node, `${path}.`);
    const [child] = node.keys();
    if (child !== undefined) throw unknownParameter(`${path}.${child}`, this.dialect);
    return this.scalar(schema, node.text ?? '', path);
  }

  private list(schema: NormalizedSchema, node: Tree, path: string): unknown[] {
    const item = schema.getValueSchema();
    const { xmlName, ec2QueryName } = naming(item);
    const flat = this.dialect === 'ec2Query' || naming(schema).xmlFlattened;
    const wrapper = flat ? null : (ec2QueryName ?? xmlName ?? 'member');
    const entries = wrapper === null ? node : (node.get(wrapper) ?? new Map<string, Tree>());
    const inOrder = [...entries].map(([key, child]): [number, Tree] => {
      if (!/^\d+$/.test(key)) throw unknownParameter(`${path}.${key}`, this.dialect);
      return [Number(key), child];
    });
    const at = wrapper === null ? path : `${path}.${wrapper}`;
    return inOrder
      .toSorted(([a], [b]) => a - b)
      .map(([index, child]) => this.value(item, child, `${at}.${index}`));
  }

  private map(schema: NormalizedSchema, node: Tree, path: string): Record<string, unknown> {
    const flat = naming(schema).xmlFlattened;
    const entries = flat ? node : (node.get('entry') ?? new Map<string, Tree>());
    const keyName = naming(schema.getKeySchema()).xmlName ?? 'key';
    const valueName = naming(schema.getValueSchema()).xmlName ?? 'value';
    const map: Record<string, unknown> = {};
    for (const entry of entries.values()) {
      const key = entry.get(keyName)?.text;
      const value = entry.get(valueName);
      if (key !== undefined && value) map[key] = this.value(schema.getValueSchema(), value, `${path}.${key}`);
    }
    return map;
  }

  private scalar(schema: NormalizedSchema, text: string, path: string): unknown {
    if (schema.isBooleanSchema()) {
      if (text.toLowerCase() === 'true') return true;
      if (text.toLowerCase() === 'false') return false;
      throw this.invalid(text, path, 'boolean');
    }
    if (schema.isNumericSchema()) {
      const number = Number(text);
      if (text.trim() === '' || !Number.isFinite(number)) throw this.invalid(text, path, 'number');
      return number;
    }
    if (schema.isTimestampSchema()) {
      const time = new Date(text);
      if (Number.isNaN(time.getTime())) throw this.invalid(text, path, 'timestamp');
      return time;
    }
    if (schema.isBlobSchema()) return new Uint8Array(Buffer.from(text, 'base64'));
    return text;
  }

  private invalid(text: string, path: string, kind: string): ServiceError {
    return this.dialect === 'ec2Query'
      ? new ServiceError(
          'InvalidParameterValue',
          `Invalid value '${text}' for ${path}. The value must be a ${kind}.`,
        )
      : validationError(
          `1 validation error detected: Value '${text}' at '${lowerFirst(path)}' failed to satisfy constraint: Member must be a ${kind}`,
        );
  }
}

export const missingParameter = (path: string, dialect: Dialect): ServiceError =>
  dialect === 'ec2Query'
    ? new ServiceError('MissingParameter', `The request must contain the parameter ${path}`)
    : validationError(
        `1 validation error detected: Value null at '${lowerFirst(path)}' failed to satisfy constraint: Member must not be null`,
      );

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

const unknownParameter = (path: string, dialect: Dialect): ServiceError =>
  dialect === 'ec2Query'
    ? new UnknownParameter('UnknownParameter', `The parameter ${path} is not recognized`)
    : new UnknownParameter('ValidationError', `The parameter ${path} is not recognized`);
