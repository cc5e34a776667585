/** The JSON Schema (draft 2020-12) of drover.yaml, generated from the zod schema that validates it. */
import { z } from 'zod';
import { configSchema } from './schema.ts';

export const jsonSchemaText = (): string =>
  `${JSON.stringify({ title: 'drover.yaml', ...z.toJSONSchema(configSchema, { io: 'input' }) }, null, 2)}\n`;
