import type { SelectedRows } from '../artifact/row-selection.ts';
import { HimplosError } from '../errors.ts';
import type { Param } from './contract.ts';
import { numberParam } from './params.ts';

/** The most rows a bank may be asked to hold. */
const MAX_BANK_ROWS = 2 ** 21;

/** The parameter `bank=50000`: the most training rows that are kept. */
export function bankParam(): Param<number> {
  return numberParam(
    50_000,
    `a whole number of rows from 1 to ${MAX_BANK_ROWS}`,
    (value) => Number.isSafeInteger(value) && value >= 1 && value <= MAX_BANK_ROWS,
  );
}

/** Throws `bad-usage` when a bank has fewer rows than the neighbours that are wanted from it. */
export function requireNeighbours(method: string, k: number, { rows, totalRows }: SelectedRows): void {
  if (k <= rows) return;
  throw new HimplosError(
    'bad-usage',
    `method ${method}: expected k of at most ${rows}, the rows in the bank, got ${k}`,
    {
      hint:
        rows < totalRows
          ? 'choose a smaller k or a larger bank'
          : `the training data has ${totalRows} rows: choose a smaller k`,
    },
  );
}
