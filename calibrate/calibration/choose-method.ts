import { HimplosError } from '../../shared/errors.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import { findDetector, methods } from '../../shared/methods/registry.ts';
import { splitSpecs } from '../../shared/methods/spec.ts';

/** The method as typed: a spec, or the parts of HIMPLoS one by one. */
export interface MethodOptions {
  readonly method?: string;
  readonly maskPercentile?: string;
  readonly clip?: string;
  readonly smoothing?: string;
  readonly score?: string;
}

/** The spec that the options stand for. Throws `bad-usage` when both ways are mixed. */
export function methodSpec(options: MethodOptions): string {
  const { method, maskPercentile, clip, smoothing, score } = options;
  const parts = Object.entries({ mask: maskPercentile, clip, smoothing, score })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`);
  if (method === undefined) return parts.length === 0 ? 'himplos' : `himplos:${parts.join(',')}`;
  if (parts.length === 0) return method;
  throw new HimplosError(
    'bad-usage',
    `--method ${method} stands beside ${parts.join(', ')}: expected one of both`,
    {
      hint: `write the parameters into the spec: --method ${method}${method.includes(':') ? ',' : ':'}${parts[0]}`,
    },
  );
}

/** Stands for every method with its defaults. */
export const ALL = 'all';

/** The methods that lists of specs name, each once. Throws `bad-usage` for an unknown one. */
export function chooseDetectors(lists: readonly string[]): Detector[] {
  const specs = lists
    .flatMap(splitSpecs)
    .flatMap((spec) => (spec === ALL ? methods.map(({ id }) => id) : [spec]));
  return [...new Map(specs.map(findDetector).map((detector) => [detector.spec, detector])).values()];
}
