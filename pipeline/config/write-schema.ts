/** Writes drover.schema.json, which editors use through the yaml-language-server comment: `npm run schema`. */
import { writeFileSync } from 'node:fs';
import { jsonSchemaText } from './json-schema.ts';

writeFileSync(new URL('./drover.schema.json', import.meta.url), jsonSchemaText());
