import type { Tensor, Tensors } from '../tensor.ts';
import { badArtifact } from './bad-artifact.ts';
import type { DetectorDocument } from './detector-document.ts';

/** Full names of the tensors that every detector has. */
export const WEIGHT = 'head.weight';
export const BIAS = 'head.bias';
export const SCORES = 'calibration.scores';

/** The part of a method spec before its parameters: the prefix of the method's own tensors. */
export function methodId(spec: string): string {
  return spec.split(':', 1)[0]!;
}

/**
 * Checks the tensors of a detector (full names) against its document: present, of the right type and shape,
 * nothing that belongs to nobody, every number finite, calibration scores ascending, γ where the rule puts it.
 * Throws `bad-artifact` naming the tensor.
 * @param skipsValues leaves out the search for numbers that are not finite
 */
export function checkDetectorTensors(
  document: DetectorDocument,
  tensors: Tensors,
  { skipsValues = false }: { readonly skipsValues?: boolean } = {},
): void {
  const { classes, width, threshold } = document;
  requireShape(tensors, WEIGHT, 'F32', [classes, width]);
  requireShape(tensors, BIAS, 'F32', [classes]);
  requireShape(tensors, SCORES, 'F64', [threshold.calibrationScores]);
  const id = methodId(document.method);
  // A method named like one of our own prefixes could overwrite the head.
  if (id === 'head' || id === 'calibration') throw badArtifact(`a method cannot be called ${id}`);
  for (const [name, tensor] of Object.entries(tensors)) {
    const isOwn = name === WEIGHT || name === BIAS || name === SCORES;
    if (!isOwn && !(name.startsWith(`${id}.`) && METHOD_TENSOR.test(name.slice(id.length + 1)))) {
      throw badArtifact(
        `it has a tensor ${JSON.stringify(name.slice(0, 100))} that method ${id} does not explain`,
      );
    }
    const at = skipsValues ? -1 : findNonFinite(tensor);
    if (at !== -1) throw badArtifact(`${name}[${at}] is ${tensor.data[at]}, expected a finite number`);
  }
  checkThreshold(document, tensors[SCORES]!.data as Float64Array);
}

const METHOD_TENSOR = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

function requireShape(
  tensors: Tensors,
  name: string,
  dtype: Tensor['dtype'],
  shape: readonly number[],
): void {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  if (tensor === undefined) throw badArtifact(`it has no tensor ${name}`);
  const isRight = tensor.dtype === dtype && `${tensor.shape}` === `${shape}`;
  if (!isRight)
    throw badArtifact(`${name}: expected ${dtype} [${shape}], got ${tensor.dtype} [${tensor.shape}]`);
}

/** Position of the first number that is not finite; −1 if there is none. */
function findNonFinite({ dtype, data }: Tensor): number {
  if (dtype !== 'F32' && dtype !== 'F64') return -1;
  // x·0 is 0 for finite x and NaN otherwise: one pass without a branch tells whether to look for the place.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]! * 0;
  return sum === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}

/**
 * γ follows from the sorted scores, the index and the rule; the index follows from n and the TPR:
 * ⌊(1 − TPR)(n + 1) + 1e-9⌋, counted from 1.
 */
function checkThreshold({ threshold }: DetectorDocument, scores: Float64Array): void {
  const { gamma, tpr, index } = threshold;
  for (let i = 1; i < scores.length; i++) {
    if (scores[i]! < scores[i - 1]!) throw badArtifact(`${SCORES}[${i}] is smaller than the score before it`);
  }
  const expectedIndex = Math.floor((1 - tpr) * (scores.length + 1) + 1e-9);
  if (index !== expectedIndex) {
    throw badArtifact(`its threshold is at score ${index}, expected ${expectedIndex} for a TPR of ${tpr}`);
  }
  const score = scores[index - 1]!;
  let lower = index - 2;
  while (lower >= 0 && scores[lower] === score) lower--;
  const expectedGamma = lower < 0 ? score : (scores[lower]! + score) / 2;
  if (gamma !== expectedGamma)
    throw badArtifact(`its threshold is ${gamma}, its scores give ${expectedGamma}`);
}
