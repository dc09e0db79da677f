import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(
  process.env.HIMPLOS_DATA ?? join(fileURLToPath(new URL('.', import.meta.url)), '../../shared/data'),
);

/** Whether the real benchmark data is at hand; tests that need it skip otherwise. */
export const hasRealData = existsSync(join(root, 'cifar10/model.onnx'));

/** Why a test without the data is skipped, for titles. */
export const needsData = 'needs the benchmark data in ../shared/data or $HIMPLOS_DATA';

/** A path below the benchmark data folder. */
export function realData(...parts: string[]): string {
  return join(root, ...parts);
}

/** A path below the folder of reference results, beside the data. */
export function reference(file: string): string {
  return join(root, '../reference', file);
}
