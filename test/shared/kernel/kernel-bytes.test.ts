import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { KERNEL_FILE, makeKernelFile } from '../../../functions/build/kernel.ts';

it('the committed kernel is what its sources compile to (else: npm run build:kernel)', async () => {
  const [committed, compiled] = await Promise.all([readFile(KERNEL_FILE, 'utf8'), makeKernelFile()]);
  expect(compiled === committed).toBe(true);
});
