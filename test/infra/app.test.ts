import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

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
