import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { makeResizeKernelFile, RESIZE_KERNEL_FILE } from '../../../functions/build/kernel.ts';

it('the committed kernel is what its sources compile to (else: npm run build:kernel)', async () => {
  const committed = await readFile(RESIZE_KERNEL_FILE, 'utf8');
  expect(await makeResizeKernelFile()).toBe(committed);
});
