import { logSumExp } from '../maths/logit-sums.ts';
import type { Head } from '../methods/contract.ts';
import type { MaskedHead } from '../methods/masked-head.ts';

/** Why a sample scored as it did. */
export interface Explanation {
  /** Energy log Σ exp of the logits: of the original ones, and after each part of the method. */
  readonly energy: {
    readonly original: number;
    readonly masked?: number;
    readonly clipped?: number;
    readonly smoothed?: number;
  };
  /** Channels with a feature other than 0 that the predicted class's mask removes; absent without masks. */
  readonly masked_channels?: number;
  /** Kept channels whose feature is above λ; absent without a clip. */
  readonly clipped_channels?: number;
  /** Channels that contribute most to the predicted class's logit, largest first. */
  readonly top_channels: readonly {
    readonly channel: number;
    readonly feature: number;
    readonly contribution: number;
    readonly is_masked: boolean;
    readonly is_clipped: boolean;
  }[];
}

const TOP_CHANNELS = 10;

/**
 * Explains one sample, in float64 and without haste: four products at most.
 * @param h L features
 * @param masked the method's parts, where it has that form
 * @param predicted argmax of the original logits
 * @param cosine to the predicted class's prototype; NaN without one
 */
export function explainSample(
  head: Head,
  masked: MaskedHead | undefined,
  h: Float32Array,
  predicted: number,
  cosine: number,
): Explanation {
  const { width } = head;
  const isKept = (l: number) => masked?.mask === undefined || bitOf(masked.mask, width, predicted, l);
  const clip = masked?.clip ?? Number.POSITIVE_INFINITY;
  const kept = Float64Array.from(h, (value, l) => (isKept(l) ? value : 0));
  const clipped = kept.map((value) => Math.min(value, clip));
  const shaped = energyOf(head, clipped);
  const scale = masked?.smoothing.kind === 'scale' ? cosine : 1;
  const shift = masked?.smoothing.kind === 'enhance' ? masked.smoothing.alpha * cosine : 0;
  return {
    energy: {
      original: energyOf(head, Float64Array.from(h)),
      ...(masked?.mask !== undefined && { masked: energyOf(head, kept) }),
      ...(clip < Number.POSITIVE_INFINITY && { clipped: shaped }),
      ...(masked !== undefined &&
        masked.smoothing.kind !== 'none' && {
          smoothed: (scale === 1 ? shaped : energyOf(head, clipped, scale)) + shift,
        }),
    },
    ...(masked?.mask !== undefined && { masked_channels: count(h, (value, l) => value !== 0 && !isKept(l)) }),
    ...(clip < Number.POSITIVE_INFINITY && { clipped_channels: count(h, (_, l) => kept[l]! > clip) }),
    top_channels: topChannels(head, h, predicted).map((channel) => ({
      channel,
      feature: h[channel]!,
      contribution: h[channel]! * head.weight[predicted * width + channel]!,
      is_masked: !isKept(channel),
      is_clipped: kept[channel]! > clip,
    })),
  };
}

function topChannels({ width, weight }: Head, h: Float32Array, predicted: number): number[] {
  const at = predicted * width;
  const order = Array.from(h.keys()).sort(
    (a, b) => h[b]! * weight[at + b]! - h[a]! * weight[at + a]! || a - b,
  );
  return order.slice(0, TOP_CHANNELS);
}

/** LSE of scale·(W·x + b). */
function energyOf({ classes, width, weight, bias }: Head, x: Float64Array, scale = 1): number {
  const logits = new Float64Array(classes);
  for (let c = 0; c < classes; c++) {
    let sum = bias[c]!;
    for (let l = 0; l < width; l++) sum += weight[c * width + l]! * x[l]!;
    logits[c] = sum * scale;
  }
  return logSumExp(logits, 0, classes);
}

function bitOf(mask: Uint8Array, width: number, row: number, l: number): boolean {
  return ((mask[row * Math.ceil(width / 8) + (l >> 3)]! >> (l & 7)) & 1) === 1;
}

function count(values: Float32Array, accepts: (value: number, index: number) => boolean): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) if (accepts(values[i]!, i)) total++;
  return total;
}
