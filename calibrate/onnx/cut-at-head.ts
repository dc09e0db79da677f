import type { FoundHead } from './find-head.ts';
import type { OnnxModel } from './read-model.ts';
import { tapHead, tappedOutputs, writeTapped } from './tapped-graph.ts';

/**
 * The user's model up to the classifier head: outputs `features` [N, L] and `logits` [N, C], both float32, and nothing
 * that they do not need. The input is the user's, under the name `found.feed`. External data is written inside.
 * @returns the bytes of an ONNX file; the same model always gives the same bytes
 * Throws `bad-model` when the weights do not fit into one file of 2 GiB.
 */
export function cutAtHead(model: OnnxModel, found: FoundHead): Uint8Array {
  const tapped = tapHead(model, found);
  const { features, logits } = tappedOutputs(tapped, found);
  return writeTapped(model.proto, tapped, [features, logits], unchangedVersions(model));
}

/** The user's model with the single output `features` [N, L]: for methods that have no closed graph. Throws as {@link cutAtHead}. */
export function buildFeaturesModel(
  model: OnnxModel,
  found: FoundHead,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const tapped = tapHead(model, found);
  const { features } = tappedOutputs(tapped, found);
  return writeTapped(model.proto, tapped, [features], { ...unchangedVersions(model), metadata });
}

/** Initialisers that are no inputs came with IR version 4. */
function unchangedVersions({ opset, irVersion }: OnnxModel) {
  return { opset, irVersion: Math.max(4, irVersion), metadata: {} };
}
