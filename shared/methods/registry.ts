import { HimplosError } from '../errors.ts';
import type { Detector, Method } from './contract.ts';
import { energy } from './energy.ts';
import { himplos } from './himplos.ts';
import { maxLogit } from './max-logit.ts';
import { msp } from './msp.ts';
import { odin } from './odin.ts';
import { parseSpec } from './spec.ts';
import { suggest } from './suggest.ts';

/** Every method, in the order of tables: an import and an entry each, and nothing else in the project names them. */
export const methods: readonly Method[] = [himplos, energy, msp, maxLogit, odin];

/**
 * The detector for a spec `id[:key=value,…]`; its `spec` is the canonical form. Throws `bad-usage` for a spec that
 * cannot be read, and for an unknown id, key or value, with the nearest that exists.
 */
export function findDetector(spec: string): Detector {
  const { id, given } = parseSpec(spec);
  const method = methods.find((candidate) => candidate.id === id);
  if (method === undefined) {
    const ids = methods.map((candidate) => candidate.id);
    throw new HimplosError('bad-usage', `method ${id}: expected one of ${ids.join(', ')}`, {
      hint: suggest(id, ids) ?? 'himplos is the default',
    });
  }
  return method.bind(given);
}
