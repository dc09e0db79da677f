import { HimplosError } from '../errors.ts';

/**
 * Throws `bad-input` naming row, channel and value when one of rows × width features is NaN or infinite.
 * @param firstRow index of the first row in its source, for the message
 * @param what the source, for the message
 */
export function requireFinite(
  features: Float32Array,
  rows: number,
  width: number,
  firstRow = 0,
  what = 'features',
): void {
  const count = rows * width;
  // x·0 is 0 for finite x and NaN otherwise: one pass without a branch tells whether to look for the place.
  let sum = 0;
  for (let i = 0; i < count; i++) sum += features[i]! * 0;
  if (sum === 0) return;
  const at = features.findIndex((value) => !Number.isFinite(value));
  throw new HimplosError(
    'bad-input',
    `${what}: expected finite numbers, got ${features[at]} in row ${firstRow + Math.floor(at / width)}, channel ${at % width}`,
    { hint: 'remove the row, or look for the layer of the model that overflows' },
  );
}
