import type { DetectorDocument } from '../../shared/artifact/detector-document.ts';
import { canonicalJson, type Json } from '../../shared/formats/canonical-json.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import type { Tensors } from '../../shared/tensor.ts';
import { buildFeaturesModel } from '../onnx/cut-at-head.ts';
import type { FoundHead } from '../onnx/find-head.ts';
import { buildDetectorModel } from '../onnx/fused-graph.ts';
import type { OnnxModel } from '../onnx/read-model.ts';

/** What detector.onnx is made from: the user's model and a calibrated detector. */
export interface GraphParts {
  readonly model: OnnxModel;
  readonly found: FoundHead;
  readonly detector: Detector;
  /** What its fit returned. */
  readonly tensors: Tensors;
  readonly document: Pick<DetectorDocument, 'threshold' | 'classNames' | 'preprocessing'>;
  /** SHA-256 of the detector's detector.safetensors. */
  readonly version: string;
}

/**
 * The bytes of detector.onnx: the user's model with the detector behind it or, for a method without a closed graph,
 * up to the features that the method scores. The same parts give the same bytes. Throws as the two builders.
 */
export function buildDetectorGraph(parts: GraphParts): Uint8Array {
  const { model, found, detector, tensors, document } = parts;
  const metadata = graphMetadata(parts);
  return detector.graph === undefined
    ? buildFeaturesModel(model, found, metadata)
    : buildDetectorModel({ model, found, detector, tensors, gamma: document.threshold.gamma, metadata });
}

/**
 * What a program that has nothing but the graph needs to use it, as text; entries that are not words or numbers are
 * JSON. All are always there, so that a model that was a detector's before keeps nothing of that one.
 */
function graphMetadata({ detector, document, version }: GraphParts): Record<string, string> {
  return {
    'himplos.method': detector.spec,
    'himplos.gamma': String(document.threshold.gamma),
    'himplos.direction': 'higher-is-id',
    'himplos.class_names': canonicalJson(document.classNames),
    'himplos.preprocessing': canonicalJson(document.preprocessing as Json),
    'himplos.version': version,
  };
}
