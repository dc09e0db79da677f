import { freeName } from './rename-tensors.ts';

/** Names of the outputs that this program's graphs have. */
export type OutputName = 'features' | 'logits' | 'predicted_class' | 'score' | 'is_ood' | 'cosine';

/** All of them. */
export const RESERVED: readonly OutputName[] = [
  'features',
  'logits',
  'predicted_class',
  'score',
  'is_ood',
  'cosine',
];

/** The names that tensors called like an output of ours get; a graph's inputs may be among them. */
export function reservedRenames(taken: ReadonlySet<string>): Map<string, string> {
  const all = new Set([...taken, ...RESERVED]);
  const renames = new Map<string, string>();
  for (const name of RESERVED) {
    if (taken.has(name)) {
      const free = freeName(name, all);
      renames.set(name, free);
      all.add(free);
    }
  }
  return renames;
}
