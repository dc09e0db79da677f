import { HimplosError } from '../../shared/errors.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { parseSpec } from '../../shared/methods/spec.ts';
import { joinSpec } from '../results/results.ts';

/** A parameter and the values that it takes, as typed. */
export interface Axis {
  readonly key: string;
  readonly values: readonly string[];
}

/** One combination of values. */
export interface GridPoint {
  /** Canonical spec. */
  readonly spec: string;
  /** A value an axis. */
  readonly values: readonly string[];
}

/** A method with some of its parameters varied over every combination of values. */
export interface Grid {
  readonly axes: readonly Axis[];
  readonly points: readonly GridPoint[];
}

/** Each point keeps its scores of every set in memory: 21 bytes a sample. */
const MAX_POINTS = 1000;

/** What the method paper's Figures 6 and 7 vary: the masking percentile p and the clip λ. */
const HIMPLOS_AXES: readonly Axis[] = [
  { key: 'mask', values: ['0', '10', '20', '30', '40', '50', '60', '70', '80', '90'] },
  { key: 'clip', values: ['p85', 'p90', 'p95', 'p99', '1.0', 'none'] },
];

/**
 * Every combination of `--vary KEY=VALUE,VALUE,…` on top of a spec; for HIMPLoS p × λ when nothing is to be varied.
 * Throws `bad-usage` for an unreadable axis, a key given twice, a value that the method does not take, or over
 * {@link MAX_POINTS} combinations.
 */
export function makeGrid(spec: string, vary: readonly string[] = []): Grid {
  const { id, given } = parseSpec(findDetector(spec).spec);
  const axes = vary.length > 0 ? vary.map(parseAxis) : defaultAxes(id);
  const keys = axes.map(({ key }) => key);
  const twice = keys.find((key, i) => keys.indexOf(key) !== i);
  if (twice !== undefined) throw badAxis(`${twice}=…`, 'each parameter once');
  const size = axes.reduce((product, { values }) => product * values.length, 1);
  if (size > MAX_POINTS) throw badAxis(vary.join(' '), `at most ${MAX_POINTS} combinations, got ${size}`);
  const points = combine(axes).map((values): GridPoint => {
    const params = { ...given, ...Object.fromEntries(values.map((value, i) => [keys[i]!, value])) };
    return { values, spec: findDetector(joinSpec({ method: id, params })).spec };
  });
  return { axes, points };
}

function defaultAxes(id: string): readonly Axis[] {
  if (id === 'himplos') return HIMPLOS_AXES;
  throw new HimplosError('bad-usage', `--vary: expected a parameter of ${id} to vary, got none`, {
    hint: 'for example --method knn --vary k=1,10,50',
  });
}

function parseAxis(text: string): Axis {
  const [, key, list] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(text) ?? [];
  const values = list?.split(',') ?? [];
  if (key === undefined || values.includes('')) throw badAxis(text, 'KEY=VALUE,VALUE,…');
  return { key, values: [...new Set(values)] };
}

/** The values of all axes in every combination, the last axis running fastest. */
function combine(axes: readonly Axis[]): readonly (readonly string[])[] {
  return axes.reduce<readonly (readonly string[])[]>(
    (lines, { values }) => lines.flatMap((line) => values.map((value) => [...line, value])),
    [[]],
  );
}

function badAxis(text: string, expected: string): HimplosError {
  return new HimplosError('bad-usage', `--vary ${text.slice(0, 100)}: expected ${expected}`, {
    hint: 'for example --vary mask=10,50,90 --vary clip=1.0,p95',
  });
}
