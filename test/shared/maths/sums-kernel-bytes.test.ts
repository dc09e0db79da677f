import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { makeSumsKernelFile, SUMS_KERNEL_FILE } from '../../../functions/build/kernel.ts';

it('the committed kernel is what its sources compile to (else: npm run build:kernel)', async () => {
  const committed = await readFile(SUMS_KERNEL_FILE, 'utf8');
  expect(await makeSumsKernelFile()).toBe(committed);
});
