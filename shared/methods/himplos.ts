import { HimplosError } from '../errors.ts';
import { collect } from '../statistics/contract.ts';
import { f32, type Tensors, u8 } from '../tensor.ts';
import type { FitContext, GraphBuilder, GraphInputs, GraphValue, Head } from './contract.ts';
import { defineMethod } from './define-method.ts';
import { scoreOfZeros, scoreParam } from './logit-score.ts';
import { requireTensor } from './require-tensor.ts';
import { graphShaped, type Shape, shapedScorer } from './shaped-scorer.ts';
import { type Clip, clipParam, fitClip, readClip, requestClip } from './shaping/clip.ts';
import { clipShape, graphClip } from './shaping/clip-shape.ts';
import { countKept, maskBytes, maskParam, packMasks, unpackMasks } from './shaping/mask.ts';
import { fitPrototypes, requestPrototypes, type Smoothing, smoothingParam } from './smoothing.ts';

/**
 * Classifier-head informed feature masking and prototype-based logit smoothing:
 *
 *   ŷ = argmax f(h)                      of the original logits (eq. 2)
 *   h̄ = min(m_ŷ ⊙ h, λ)                  mask by the head's weights (eq. 3), clip (eq. 4)
 *   f_m = W·h̄ + b                        logits again, for all classes (eq. 5)
 *   s = cos(h, v_ŷ)                      raw features and the class mean v_ŷ (eq. 6, 7)
 *   S = LSE(s·f_m)                       smoothed logits, bias included (eq. 10, 11)
 *
 * Each part can be switched off or replaced; with all of them off, S is the energy of the original logits.
 */
export const himplos = defineMethod({
  id: 'himplos',
  title: 'HIMPLoS',
  source:
    'Sun, Qiu, Tan, Zheng and Wang, Classifier-head Informed Feature Masking and Prototype-based Logit Smoothing for Out-of-Distribution Detection, eq. 1 to 12',
  params: {
    mask: maskParam(50),
    clip: clipParam('p95'),
    smoothing: smoothingParam('scale'),
    score: scoreParam('energy'),
  },
  build: ({ mask, clip, smoothing, score }) => ({
    *fit(context) {
      const { head } = context;
      requireKeptChannels(mask, head);
      warnIfNoEffect(smoothing, score.kind, context);
      const request = { ...requestClip(clip), ...requestPrototypes(smoothing) };
      if (Object.keys(request).length === 0)
        return { ...fitMask(mask, head), ...fitClip(clip, undefined, context) };
      const { quantiles, classSums } = yield* collect(request);
      // Not before: shards ask what to collect, and never get here.
      return {
        ...fitMask(mask, head),
        ...fitClip(clip, quantiles, context),
        ...fitPrototypes(smoothing, classSums, context),
      };
    },
    prepare: (head, tensors) =>
      shapedScorer(head, tensors, { shape: prepareShape(head, tensors, mask, clip), smoothing, score }),
    maskedHead: (head, tensors) => ({
      mask: readMask(head, tensors, mask),
      clip: readClip(clip, tensors),
      prototypes:
        smoothing.kind === 'none'
          ? undefined
          : requireTensor(tensors, 'prototypes', 'F32', [head.classes, head.width]),
      smoothing,
      score,
    }),
    graph: (builder, inputs, head, tensors) => {
      const shaped = graphShape(builder, inputs, head, tensors, mask, clip);
      return graphShaped(builder, inputs, head, tensors, { shaped, smoothing, score });
    },
    ...(smoothing.kind === 'scale' && { collapsedScore: (head: Head) => scoreOfZeros(score, head.classes) }),
  }),
});

/** Throws `bad-usage` when all channels would be masked. */
function requireKeptChannels(percent: number, { width }: Head): void {
  if (countKept(width, percent) > 0) return;
  throw new HimplosError('bad-usage', `method himplos, mask: ${percent} % leaves none of ${width} channels`, {
    hint: 'choose a lower percentage',
  });
}

/** The tensor `mask`, U8 [C, ⌈L/8⌉], or nothing when no channel is masked. */
function fitMask(percent: number, head: Head): Tensors {
  if (percent === 0) return {};
  return { mask: u8(packMasks(head, percent), head.classes, maskBytes(head.width)) };
}

function warnIfNoEffect(smoothing: Smoothing, score: string, { warn }: FitContext): void {
  if (smoothing.kind !== 'enhance' || score !== 'softmax') return;
  warn(
    'Logit enhancing adds the same amount to every logit, which a softmax score does not see: it has no effect.',
  );
}

/** The packed masks; undefined when no channel is masked. */
function readMask({ classes, width }: Head, tensors: Tensors, percent: number): Uint8Array | undefined {
  return percent === 0 ? undefined : requireTensor(tensors, 'mask', 'U8', [classes, maskBytes(width)]);
}

function prepareShape(head: Head, tensors: Tensors, percent: number, clip: Clip): Shape | undefined {
  if (percent === 0) return clipShape(clip, head, tensors);
  const { classes, width } = head;
  const limit = readClip(clip, tensors);
  const packed = requireTensor(tensors, 'mask', 'U8', [classes, maskBytes(width)]);
  const mask = unpackMasks(packed, classes, width);
  return (features, at, predicted, out, outAt) => {
    const from = predicted * width;
    for (let l = 0; l < width; l++) {
      out[outAt + l] = Math.min(features[at + l]! * mask[from + l]!, limit);
    }
  };
}

function graphShape(
  builder: GraphBuilder,
  { features, predicted }: GraphInputs,
  { classes, width }: Head,
  tensors: Tensors,
  percent: number,
  clip: Clip,
): GraphValue | undefined {
  if (percent === 0) return graphClip(builder, clip, features, tensors);
  const packed = requireTensor(tensors, 'mask', 'U8', [classes, maskBytes(width)]);
  const masks = builder.constant(u8(unpackMasks(packed, classes, width), classes, width), true);
  const mask = builder.op('Gather', [masks, predicted], { axis: 0 });
  const masked = builder.op('Where', [mask, features, builder.constant(f32(Float32Array.of(0)))]);
  return graphClip(builder, clip, masked, tensors) ?? masked;
}
