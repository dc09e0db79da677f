import type { SelectedRows } from '../artifact/row-selection.ts';
import { HimplosError } from '../errors.ts';
import { bank } from '../statistics/bank.ts';
import { collect, type StatisticRequest, type StatisticResults } from '../statistics/contract.ts';
import type { Tensors } from '../tensor.ts';
import type { FitContext, Param } from './contract.ts';
import { numberParam } from './params.ts';
import { requireSize } from './require-size.ts';

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

/**
 * One pass that keeps up to `limit` training rows. Throws `bad-usage` when they are fewer than the `k` neighbours
 * that are wanted from them, `too-large` when they would not fit into memory.
 */
export function* collectBank(
  method: string,
  { k, limit }: { readonly k: number; readonly limit: number },
  { head, trainRows }: FitContext,
): Generator<StatisticRequest, SelectedRows, StatisticResults> {
  requireSize(method, 'the bank', Math.min(limit, trainRows), head.width, 4);
  const { kept } = yield* collect({ kept: bank(limit) });
  if (k <= kept.rows) return kept;
  throw new HimplosError(
    'bad-usage',
    `method ${method}: expected k of at most ${kept.rows}, the rows in the bank, got ${k}`,
    {
      hint:
        kept.rows < kept.totalRows
          ? 'choose a smaller k or a larger bank'
          : `the training data has ${kept.totalRows} rows: choose a smaller k`,
    },
  );
}

/** The tensor `bank`, F32 [rows, L] of at least `k` rows. Throws `bad-artifact`. */
export function readBank(
  tensors: Tensors,
  width: number,
  k: number,
): { readonly features: Float32Array; readonly rows: number } {
  const tensor = tensors.bank;
  const rows = tensor?.shape[0] ?? 0;
  const isBank = tensor?.dtype === 'F32' && tensor.shape.length === 2 && tensor.shape[1] === width;
  if (isBank && rows >= k) return { features: tensor.data, rows };
  const got = tensor === undefined ? 'none' : `${tensor.dtype} [${tensor.shape}]`;
  throw new HimplosError('bad-artifact', `tensor bank: expected F32 [${k} or more, ${width}], got ${got}`, {
    hint: 'calibrate again: the detector belongs to another method or head',
  });
}
