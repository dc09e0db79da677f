import { HimplosError } from '../../shared/errors.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { parseSpec } from '../../shared/methods/spec.ts';
import { joinSpec } from './results.ts';
import type { LineLabels } from './table.ts';

/** The parts of HIMPLoS that the method paper's Table III switches off, and what off means. */
const PARTS = [
  { title: 'ReAct', key: 'clip', off: 'none' },
  { title: 'FM', key: 'mask', off: 'none' },
  { title: 'LS', key: 'smoothing', off: 'none' },
] as const;

/** An ablation: one spec a combination of parts, and how its table is labelled. */
export interface Ablation {
  readonly specs: readonly string[];
  readonly labels: LineLabels;
}

/**
 * Every combination of a spec's clip (ReAct), mask (FM) and smoothing (LS) being on or off, from none (energy) to all.
 * Throws `bad-usage` for a method without these parts, or with one of them off already.
 */
export function ablate(spec: string): Ablation {
  const { id, given } = parseSpec(findDetector(spec).spec);
  const missing = findMissing(given);
  if (missing !== undefined) {
    throw new HimplosError(
      'bad-usage',
      `--ablation ${spec}: expected a method with clip, mask and smoothing switched on, ${missing.key} is not`,
      { hint: 'for example --ablation himplos:mask=50,clip=1.0' },
    );
  }
  const combinations = [
    [],
    ['clip'],
    ['mask'],
    ['smoothing'],
    ['clip', 'mask'],
    ['clip', 'smoothing'],
    ['mask', 'smoothing'],
    ['clip', 'mask', 'smoothing'],
  ];
  const ticks = new Map<string, readonly string[]>();
  const specs = combinations.map((on) => {
    const params = { ...given };
    for (const { key, off } of PARTS) if (!on.includes(key)) params[key] = off;
    const canonical = findDetector(joinSpec({ method: id, params })).spec;
    ticks.set(
      canonical,
      PARTS.map(({ key }) => (on.includes(key) ? '✓' : '')),
    );
    return canonical;
  });
  return {
    specs,
    labels: {
      heads: PARTS.map(({ title }) => title),
      of: (canonical) => ticks.get(canonical) ?? [canonical, '', ''],
    },
  };
}

/** Whether a canonical spec has a clip, a mask and smoothing, all of them on. */
export function hasAllParts(spec: string): boolean {
  return findMissing(parseSpec(spec).given) === undefined;
}

function findMissing(given: Readonly<Record<string, string>>): (typeof PARTS)[number] | undefined {
  return PARTS.find(({ key }) => given[key] === undefined || ['none', '0'].includes(given[key]));
}
