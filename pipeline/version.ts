/** Drover's own version, from package.json: recorded in every release. */
import manifest from '../package.json' with { type: 'json' };

export const droverVersion: string = manifest.version;
