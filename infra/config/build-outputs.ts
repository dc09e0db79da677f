import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, type Environment, FUNCTION_NAMES, type FunctionName } from './environment.ts';

/** Where `npm run build:functions` and `npm run build:container` put what is deployed. */
const BUILD_FOLDER = fileURLToPath(new URL('../../dist', import.meta.url));

/** Everything of the build that an environment deploys. */
export interface BuildOutputs {
  /** Zips by name of function. */
  readonly zips: ReadonlyMap<FunctionName, string>;
  /** Folder with a Dockerfile; undefined where no image is built. */
  readonly container: string | undefined;
}

/** Finds the outputs that an environment asks for. Throws {@link ConfigError} naming the field whose output is missing. */
export function findBuildOutputs(environment: Environment, folder: string = BUILD_FOLDER): BuildOutputs {
  const zips = new Map<FunctionName, string>();
  for (const name of FUNCTION_NAMES) {
    if (environment.functions[name] === undefined) continue;
    const zip = join(folder, 'functions', `${name}.zip`);
    requireFile(`functions.${name}`, zip, 'npm run build:functions');
    zips.set(name, zip);
  }
  if (environment.recalibration?.image !== 'build') return { zips, container: undefined };
  const container = join(folder, 'container');
  requireFile('recalibration.image', join(container, 'Dockerfile'), 'npm run build:container');
  return { zips, container };
}

function requireFile(field: string, path: string, command: string): void {
  if (!existsSync(path))
    throw new ConfigError(`${field}: expected ${path}, which ${command} makes, got none`);
}
