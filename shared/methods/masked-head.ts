import type { LogitScore } from './logit-score.ts';
import type { Smoothing } from './smoothing.ts';

/**
 * A score made of HIMPLoS's parts: predicted class ŷ = argmax f, h̄ = min(mask_ŷ ⊙ h, λ), f_m = Wᵀh̄ + b, smoothing by
 * the cosine to the prototype of ŷ, then a score of the logits. Methods that have this form can run in the kernel.
 */
export interface MaskedHead {
  /** C × ⌈L/8⌉, channel l is bit l mod 8 of byte ⌊l/8⌋; undefined keeps every channel. */
  readonly mask: Uint8Array | undefined;
  /** λ ≥ 0; +∞ does not clip. */
  readonly clip: number;
  /** C × L; undefined without smoothing. */
  readonly prototypes: Float32Array | undefined;
  readonly smoothing: Smoothing;
  readonly score: LogitScore;
}
