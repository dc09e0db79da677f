import { HimplosError } from '../errors.ts';
import type { Tensors } from '../tensor.ts';

/**
 * The row count in a reducer's saved state (tensor `rows`, one F64). Throws `bad-input` naming the statistic when
 * it is not there or not a whole number.
 */
export function takeRowCount({ rows }: Tensors, statistic: string): number {
  const count = rows?.dtype === 'F64' && rows.data.length === 1 ? rows.data[0]! : Number.NaN;
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new HimplosError('bad-input', `${statistic}: expected a row count, got another state`, {
    hint: 'merge partial results of one calibration only',
  });
}
