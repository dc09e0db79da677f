import { activationQuantiles, type Quantiles } from '../../statistics/quantiles.ts';
import { f64, type Tensors } from '../../tensor.ts';
import type { FitContext, Param } from '../contract.ts';
import { parseNumber } from '../params.ts';
import { requireTensor } from '../require-tensor.ts';

/**
 * ReAct's upper bound λ on activations (Sun et al., NeurIPS 2021): a percentile of all pooled raw training
 * activations, a number, or none.
 */
export type Clip =
  | { readonly kind: 'none' }
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'percentile'; readonly percentile: number };

/** The parameter `clip=p95`, `clip=1.0` or `clip=none`. */
export function clipParam(fallback: string): Param<Clip> {
  return {
    default: fallback,
    expects: 'p0 to p100 for a percentile of the training activations, a number from 0, or none',
    parse: parseClip,
    format: formatClip,
  };
}

/** What a fit must ask for to learn λ. */
export function requestClip(clip: Clip): { readonly quantiles?: typeof activationQuantiles } {
  return clip.kind === 'percentile' ? { quantiles: activationQuantiles } : {};
}

/** The tensor `clip` (F64, no dimensions), or nothing without a clip. Warns when λ would leave nothing. */
export function fitClip(clip: Clip, quantiles: Quantiles | undefined, { warn }: FitContext): Tensors {
  if (clip.kind === 'none') return {};
  const value = clip.kind === 'value' ? clip.value : quantiles!.at(clip.percentile / 100);
  if (value <= 0)
    warn(`The clip λ is ${value}: no activation above it is left. Choose a higher percentile or a number.`);
  return { clip: f64(Float64Array.of(value)) };
}

/** λ from the tensors; +∞ without a clip. Throws `bad-artifact`. */
export function readClip(clip: Clip, tensors: Tensors): number {
  return clip.kind === 'none' ? Number.POSITIVE_INFINITY : requireTensor(tensors, 'clip', 'F64', [])[0]!;
}

function parseClip(text: string): Clip | undefined {
  if (text === 'none') return { kind: 'none' };
  if (text.startsWith('p')) {
    const percentile = parseNumber(text.slice(1));
    const isPercentile = percentile !== undefined && percentile >= 0 && percentile <= 100;
    return isPercentile ? { kind: 'percentile', percentile } : undefined;
  }
  const value = parseNumber(text);
  return value !== undefined && value >= 0 ? { kind: 'value', value } : undefined;
}

function formatClip(clip: Clip): string {
  if (clip.kind === 'percentile') return `p${clip.percentile}`;
  return clip.kind === 'value' ? String(clip.value) : 'none';
}
