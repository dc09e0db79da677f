import { readConfiguration } from '../runtime/configuration.ts';
import { openReader } from '../runtime/open-reader.ts';
import { readAhead } from '../runtime/read-ahead.ts';

export const configuration = readConfiguration(process.env);

/** The store; detector and manifest are on their way once this file has been loaded, before anything else is. */
export const store = readAhead(openReader(configuration), configuration, [
  'manifest.json',
  'detector.safetensors',
]);
