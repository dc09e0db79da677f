import type { Linear } from '../maths/linear.ts';
import { selectQuantile } from '../maths/select.ts';
import { channelMoments } from '../statistics/channel-moments.ts';
import { collect } from '../statistics/contract.ts';
import { type Tensors, u8 } from '../tensor.ts';
import type { Detector, Head } from './contract.ts';
import type { LogitScore } from './logit-score.ts';
import { requireTensor } from './require-tensor.ts';
import { graphShaped, shapedScorer } from './shaped-scorer.ts';
import { type Clip, fitClip, requestClip } from './shaping/clip.ts';
import { clipShape, graphClip } from './shaping/clip-shape.ts';
import { maskBytes, unpackMasks } from './shaping/mask.ts';

/** What a sparse-head detector is made of. */
export interface DiceParts {
  /** p: share of the head's entries that are dropped, in percent. */
  readonly percent: number;
  readonly clip: Clip;
  readonly score: LogitScore;
}

/**
 * Directed sparsification: of the contributions V = μ_l·W_lc (μ the mean of the raw, unclipped training features)
 * only entries strictly above the **global** p-th percentile of all L·C keep their weight. Features are clipped
 * first where there is a clip (DICE + ReAct).
 *
 * Tensors: `kept` U8 [C, ⌈L/8⌉], packed like HIMPLoS's masks, and `clip`.
 */
export function diceDetector({ percent, clip, score }: DiceParts): Omit<Detector, 'spec'> {
  const smoothing = { kind: 'none' } as const;
  return {
    *fit(context) {
      const { moments, quantiles } = yield* collect({ moments: channelMoments, ...requestClip(clip) });
      const { classes, width } = context.head;
      const kept = keepContributions(context.head, moments.mean, percent);
      return { kept: u8(kept, classes, maskBytes(width)), ...fitClip(clip, quantiles, context) };
    },
    prepare: (head, tensors) => {
      const [shape, linear] = [clipShape(clip, head, tensors), sparseHead(head, tensors)];
      return shapedScorer(head, tensors, { shape, linear, smoothing, score });
    },
    graph: (builder, inputs, head, tensors) => {
      const shaped = graphClip(builder, clip, inputs.features, tensors);
      const linear = sparseHead(head, tensors);
      return graphShaped(builder, inputs, head, tensors, { shaped, linear, smoothing, score });
    },
  };
}

function keepContributions(
  { classes, width, weight }: Head,
  mean: Float64Array,
  percent: number,
): Uint8Array {
  const contributions = Float64Array.from(weight, (w, i) => mean[i % width]! * w);
  const threshold = selectQuantile(contributions.slice(), contributions.length, percent / 100);
  const rowBytes = maskBytes(width);
  const kept = new Uint8Array(classes * rowBytes);
  for (let c = 0; c < classes; c++) {
    for (let l = 0; l < width; l++) {
      if (contributions[c * width + l]! > threshold) kept[c * rowBytes + (l >> 3)]! |= 1 << (l & 7);
    }
  }
  return kept;
}

/** The head with dropped weights at zero. It is made from the tensors each time: nothing is kept between parameters. */
function sparseHead({ classes, width, weight, bias }: Head, tensors: Tensors): Linear {
  const packed = requireTensor(tensors, 'kept', 'U8', [classes, maskBytes(width)]);
  const kept = unpackMasks(packed, classes, width);
  return { classes, width, weight: weight.map((w, i) => (kept[i] === 1 ? w : 0)), bias };
}
