import { HimplosError } from '../errors.ts';
import { KERNEL_START, openSumsKernel, type SumsKernel } from './sums-kernel.ts';

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
  if (areFinite(features, rows * width)) return;
  const at = features.findIndex((value) => !Number.isFinite(value));
  throw new HimplosError(
    'bad-input',
    `${what}: expected finite numbers, got ${features[at]} in row ${firstRow + Math.floor(at / width)}, channel ${at % width}`,
    { hint: 'remove the row, or look for the layer of the model that overflows' },
  );
}

/** Values that the kernel looks at in one go: 64 KiB stay near the core. */
const STAGE_VALUES = 2 ** 14;

/** Undefined before it is first wanted, null where there is none. */
let stage: { readonly kernel: SumsKernel; readonly values: Float32Array } | null | undefined;

/** Whether the first `count` values are all finite. */
function areFinite(values: Float32Array, count: number): boolean {
  // Single samples are no reason to compile a kernel.
  if (count < STAGE_VALUES) return arePlainlyFinite(values, 0, count);
  stage ??= openStage();
  let from = 0;
  if (stage !== null) {
    for (; from + STAGE_VALUES <= count; from += STAGE_VALUES) {
      stage.values.set(values.subarray(from, from + STAGE_VALUES));
      if (!stage.kernel.areFinite(KERNEL_START, KERNEL_START + 4 * STAGE_VALUES)) return false;
    }
  }
  return arePlainlyFinite(values, from, count);
}

function openStage() {
  const kernel = openSumsKernel(KERNEL_START + 4 * STAGE_VALUES);
  if (kernel === undefined) return null;
  return { kernel, values: new Float32Array(kernel.memory.buffer, KERNEL_START, STAGE_VALUES) };
}

/** x·0 is 0 for finite x and NaN otherwise: sums without a branch tell, and four of them do not wait for each other. */
function arePlainlyFinite(values: Float32Array, from: number, end: number): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = from;
  for (; i + 4 <= end; i += 4) {
    a += values[i]! * 0;
    b += values[i + 1]! * 0;
    c += values[i + 2]! * 0;
    d += values[i + 3]! * 0;
  }
  for (; i < end; i++) a += values[i]! * 0;
  return a + b + c + d === 0;
}
