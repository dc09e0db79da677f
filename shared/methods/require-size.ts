import { HimplosError } from '../errors.ts';

/** The most memory that one statistic or tensor of a fit may take. */
const MAX_BYTES = 2 ** 32;

/**
 * Refuses a fit before it allocates a matrix over 4 GiB. Throws `too-large`.
 * @param what the matrix and what it is made of, for the message
 */
export function requireSize(
  method: string,
  what: string,
  rows: number,
  columns: number,
  bytes: number,
): void {
  if (rows * columns * bytes <= MAX_BYTES) return;
  throw new HimplosError(
    'too-large',
    `method ${method}: ${what} would be ${rows} × ${columns} numbers; expected at most ${MAX_BYTES / bytes}`,
    { hint: 'choose a method without it, such as himplos' },
  );
}
