import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { costTable } from '../../infra/costs.ts';

it('the deploy guide shows the costs that infra/costs.ts computes', async () => {
  const guide = await readFile(new URL('../../infra/README.md', import.meta.url), 'utf8');
  expect(guide).toContain(`\n\n${costTable()}\n\n`);
});
