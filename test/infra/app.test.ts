import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { ConfigError } from '../../infra/config/environment.ts';
import { environment as example } from '../../infra/environments/example.ts';
import { makeApp } from '../../infra/synthesize.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { NOW } from './synthesize-environment.ts';

const APP = fileURLToPath(new URL('../../infra/app.ts', import.meta.url));

it('the app says which environments there are when it is asked for another, and makes nothing', () => {
  const { status, stderr } = spawnSync(process.execPath, [APP], {
    env: { ...process.env, HIMPLOS_ENVIRONMENT: '../../package' },
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr).toMatch(
    /^error: HIMPLOS_ENVIRONMENT: expected one of .*example.*, got \.\.\/\.\.\/package\n$/,
  );
});

it.each([
  ['region', { region: 'eu-nowhere-1' }],
  ['detector', { detector: undefined }],
  [
    'functions.embeddings.memoryMegabytes',
    { functions: { embeddings: { ...example.functions.embeddings!, memoryMegabytes: 64 } } },
  ],
  [
    'recalibration.schedule',
    { recalibration: { ...example.recalibration!, schedule: 'cron(0 3 31 2 ? *)' } },
  ],
])('an app whose %s is wrong is refused by that name, and nothing is synthesised', (field, wrong) => {
  const outdir = newFolder();
  const value = { ...example, ...wrong };
  const make = () => makeApp({ label: 'wrong', value, now: NOW, outdir });
  expect(make).toThrow(ConfigError);
  expect(make).toThrow(new RegExp(`^environment wrong cannot be deployed:\n {2}${field}: .+$`));
  expect(readdirSync(outdir)).toEqual([]);
});
