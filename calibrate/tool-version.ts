import packageJson from '../package.json' with { type: 'json' };

/** The version in package.json, which artifacts record. */
export const toolVersion: string = packageJson.version;
