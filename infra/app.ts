import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError, type EnvironmentInput } from './config/environment.ts';
import { makeApp } from './synthesize.ts';

/** What the CDK command line runs: synthesises the environment that HIMPLOS_ENVIRONMENT names. */
try {
  const label = process.env.HIMPLOS_ENVIRONMENT ?? 'example';
  makeApp({ label, value: await readFile(label), now: new Date() }).app.synth();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 2;
}

async function readFile(label: string): Promise<EnvironmentInput> {
  const folder = new URL('environments/', import.meta.url);
  const known = readdirSync(fileURLToPath(folder)).map((file) => file.replace(/\.ts$/, ''));
  if (!known.includes(label)) {
    throw new ConfigError(`HIMPLOS_ENVIRONMENT: expected one of ${known.join(', ')}, got ${label}`);
  }
  const { environment } = (await import(new URL(`${label}.ts`, folder).href)) as {
    environment: EnvironmentInput;
  };
  return environment;
}
