/**
 * The protocols whose messages are documents of the input or output itself: AWS JSON 1.0 and 1.1, and Smithy RPC v2
 * with CBOR. The codecs are the SDK's own.
 * https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html, https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
 */
import { CborCodec, cbor } from '@smithy/core/cbor';
import { JsonShapeDeserializer2, JsonShapeSerializer2 } from '@smithy/core/protocols';
import { type NormalizedSchema, SCHEMA } from '@smithy/core/schema';
import { ServiceError } from '../model/errors.ts';
import { type Envelope, type Protocol, requireMembers, textOf, type WireRequest } from './protocol.ts';
import type { Service } from './services.ts';

interface Codec {
  contentType: string;
  headers: Record<string, string>;
  read(request: WireRequest, schema: NormalizedSchema): unknown;
  write(schema: NormalizedSchema, output: object): Uint8Array;
  writeError(error: object): Uint8Array;
}

/** Timestamps as seconds since the epoch, in either. */
const jsonSettings = {
  timestampFormat: { useTrait: true, default: SCHEMA.TIMESTAMP_EPOCH_SECONDS },
  jsonName: false,
} as const;
const cborCodec = new CborCodec();

const json = (version: '1.0' | '1.1'): Codec => ({
  contentType: `application/x-amz-json-${version}`,
  headers: {},
  read: (request, schema) =>
    new JsonShapeDeserializer2(jsonSettings).readObject(schema, JSON.parse(textOf(request) || '{}')),
  write(schema, output) {
    const serializer = new JsonShapeSerializer2(jsonSettings);
    serializer.write(schema, output);
    const bytes: Uint8Array = serializer.flush();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  },
  writeError: (error) => Buffer.from(JSON.stringify(error)),
});

const rpcV2: Codec = {
  contentType: 'application/cbor',
  headers: { 'smithy-protocol': 'rpc-v2-cbor' },
  read: ({ body }, schema) =>
    body.length === 0 ? {} : cborCodec.createDeserializer().read(schema, Buffer.from(body)),
  write(schema, output) {
    const serializer = cborCodec.createSerializer();
    serializer.write(schema, output);
    return serializer.flush();
  },
  writeError: (error) => cbor.serialize(error),
};

export const awsJson = (version: '1.0' | '1.1'): Protocol => documentProtocol(json(version));
export const smithyRpcV2Cbor: Protocol = documentProtocol(rpcV2);

function documentProtocol(codec: Codec): Protocol {
  const protocol: Protocol = {
    read(request, schema) {
      if (schema.isUnitSchema()) return {};
      const input = decoded(codec, request, schema);
      requireMembers(schema, input, protocol);
      return input;
    },
    write: (envelope, schema, output) => ({
      headers: headersOf(codec, envelope),
      body: schema.isUnitSchema() ? codec.writeError({}) : codec.write(schema, output),
    }),
    writeError(envelope, error) {
      const { service } = envelope;
      const side = error.status < 500 ? 'Sender' : 'Receiver';
      return {
        headers: {
          ...headersOf(codec, envelope),
          // Services that once spoke Query go on telling its codes.
          ...(service.queryCompatible && { 'x-amzn-query-error': `${error.code};${side}` }),
        },
        body: codec.writeError({ __type: shapeOf(service, error.code), message: error.message }),
      };
    },
    missing: (path) =>
      new ServiceError(
        'ValidationException',
        `1 validation error detected: Value null at '${path.charAt(0).toLowerCase()}${path.slice(1)}' failed to satisfy constraint: Member must not be null`,
      ),
    unknownOperation: (name) =>
      new ServiceError('UnknownOperationException', `The operation ${name} is not known.`),
    unsigned: () => new ServiceError('MissingAuthenticationTokenException', 'Missing Authentication Token'),
  };
  return protocol;
}

const headersOf = (codec: Codec, { requestId }: Envelope): Record<string, string> => ({
  'content-type': codec.contentType,
  'x-amzn-requestid': requestId,
  ...codec.headers,
});

function decoded(codec: Codec, request: WireRequest, schema: NormalizedSchema): Record<string, unknown> {
  let input: unknown;
  try {
    input = codec.read(request, schema);
  } catch (error) {
    throw new ServiceError('SerializationException', (error as Error).message);
  }
  if (typeof input === 'object' && input !== null) return input as Record<string, unknown>;
  throw new ServiceError('SerializationException', 'The body of the request is not an object.');
}

/** Errors are named by their shape, whose name may end where its Query code does not. */
function shapeOf({ schemas }: Service, code: string): string {
  for (const name of [code, `${code}Exception`, `${code}Fault`]) {
    const schema = Object.hasOwn(schemas, `${name}$`) ? schemas[`${name}$`] : undefined;
    // A static error schema: [-3, namespace, name, …].
    if (Array.isArray(schema) && schema[0] === -3) return `${schema[1]}#${schema[2]}`;
  }
  return code;
}
