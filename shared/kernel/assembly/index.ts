// The kernel's entry: everything the TypeScript side calls. See ../rationale.md for the choices and measurements.
export { certifyArgmax } from './certified-argmax';
export {
  cosine,
  featureSquare,
  largestShaped,
  prototypeSquare,
  scaleShaped,
  sumExponentials,
} from './finish';
export { computeLogits } from './logits';
export {
  allocate,
  bias,
  classStride,
  features,
  logitStride,
  logits,
  maskStride,
  masks,
  predicted,
  prototype,
  shaped,
  stride,
  weight,
  weightStride,
} from './memory';
export { certifyLogits } from './pick-argmax';
export { deriveCopies, prepareHead } from './prepare';
export { shapeLogits, sparseLogits } from './shaped-logits';
