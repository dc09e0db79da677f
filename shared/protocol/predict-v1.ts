import { featuresFromJson } from './feature-values.ts';
import { field, requireObject } from './json-document.ts';
import { badRequest, type FeatureBatch } from './limits.ts';

/**
 * The KServe V1 protocol (https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol):
 * `{"instances": [[…], …]}`, each instance an array of L numbers. Throws `bad-input` or `too-large`.
 */
export function readPredictV1(value: unknown, width: number): FeatureBatch {
  const document = requireObject(value, ['instances', 'signature_name'], 'body');
  const instances = field(document, 'instances');
  if (!Array.isArray(instances) || !instances.every((instance) => Array.isArray(instance))) {
    throw badRequest('instances: expected an array of arrays of numbers');
  }
  return featuresFromJson(instances, width, 'instances');
}
