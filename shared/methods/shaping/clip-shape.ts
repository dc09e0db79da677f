import { f32, type Tensors } from '../../tensor.ts';
import type { GraphBuilder, GraphValue, Head } from '../contract.ts';
import type { Shape } from '../shaped-scorer.ts';
import { type Clip, readClip } from './clip.ts';

/** min(h, λ) for each channel; undefined without a clip. Throws `bad-artifact`. */
export function clipShape(clip: Clip, { width }: Head, tensors: Tensors): Shape | undefined {
  if (clip.kind === 'none') return undefined;
  const limit = readClip(clip, tensors);
  return (features, at, _predicted, out, outAt) => {
    for (let l = 0; l < width; l++) out[outAt + l] = Math.min(features[at + l]!, limit);
  };
}

/** The same as an ONNX node. */
export function graphClip(
  builder: GraphBuilder,
  clip: Clip,
  features: GraphValue,
  tensors: Tensors,
): GraphValue | undefined {
  if (clip.kind === 'none') return undefined;
  return builder.op('Min', [features, builder.constant(f32(Float32Array.of(readClip(clip, tensors))))]);
}
