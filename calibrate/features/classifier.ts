import type { Head } from '../../shared/methods/contract.ts';
import { cutAtHead } from '../onnx/cut-at-head.ts';
import { type FoundHead, findHead } from '../onnx/find-head.ts';
import { type OnnxModel, readModel } from '../onnx/read-model.ts';
import { type ExtractorOptions, type FeatureExtractor, openExtractor } from './feature-extractor.ts';

/** An image classifier cut at the input of its last linear layer. */
export interface Classifier extends FeatureExtractor {
  readonly model: OnnxModel;
  readonly found: FoundHead;
  readonly head: Head;
}

/**
 * Opens an ONNX classifier for extracting features.
 * Throws `not-found`, `bad-model`, `too-large`, and what {@link openExtractor} throws.
 */
export async function openClassifier(
  path: string,
  { headInput, ...options }: ExtractorOptions & { readonly headInput?: string },
): Promise<Classifier> {
  const model = await readModel(path);
  const found = findHead(model, headInput === undefined ? {} : { headInput });
  const { head } = found;
  const described = { name: path, digest: `${model.digest} ${found.headInput}`, width: head.width };
  const extractor = await openExtractor(cutAtHead(model, found), described, options);
  return { ...extractor, model, found, head };
}
