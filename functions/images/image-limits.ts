import type { PrepareLimits } from '../../calibrate/images/prepare-image.ts';

/** What one image may cost: 32 megapixels are 96 MiB once decoded, and two are decoded at a time. */
export const IMAGE_LIMITS: PrepareLimits = { bytes: 16 * 2 ** 20, pixels: 32 * 2 ** 20, values: 2 ** 24 };
