import type { Detector } from './contract.ts';
import { himplos } from './himplos.ts';
import { parseSpec } from './spec.ts';

/**
 * As `findDetector`, for a process that should start quickly and serves one method: HIMPLoS is there at once, the code of
 * all others is loaded when one of them is asked for.
 */
export async function loadMethod(spec: string): Promise<Detector> {
  const { id, given } = parseSpec(spec);
  if (id === himplos.id) return himplos.bind(given);
  const { findDetector } = await import('./registry.ts');
  return findDetector(spec);
}
