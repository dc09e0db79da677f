import { type SelectedRows, selectRows } from '../artifact/row-selection.ts';
import type { Statistic } from './contract.ts';

/**
 * Up to `limit` training rows, chosen and ordered by a hash of their content: all rows of a small source, a sample
 * that looks random of a large one. Neither the order of the rows nor the sharding matters (the first rows of a
 * source in class order would be a bank of a few classes).
 */
export function bank(limit: number): Statistic<SelectedRows> {
  return { key: `bank:${limit}`, over: 'train', create: ({ head }) => selectRows(head.width, limit) };
}
