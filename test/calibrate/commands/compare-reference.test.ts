import { beforeAll, describe, expect, it } from 'vitest';
import type { ResultRow, Results } from '../../../calibrate/results/results.ts';
import { findDetector, methods } from '../../../shared/methods/registry.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { BASE_SPECS, EXTRA_SPECS, METHOD_SPECS } from '../../shared/methods/reference-specs.ts';
import { runWell } from '../run-command.ts';
import { featuresOf, oodOptions, readReference } from './benchmark.ts';

const METHOD_ROWS = Object.entries(METHOD_SPECS).map(([row, [spec]]) => [row, spec] as const);
const EXTRA_ROWS = Object.entries(EXTRA_SPECS).map(([row, [spec]]) => [row, spec] as const);

describe.skipIf(!hasRealData)(`compare on the CIFAR-10 benchmark from features (${needsData})`, () => {
  let results: Results;
  beforeAll(async () => {
    const specs = [...Object.values(BASE_SPECS), ...[...METHOD_ROWS, ...EXTRA_ROWS].map(([, spec]) => spec)];
    const { stdout } = await runWell([
      ...['compare', '--model', realData('cifar10/model.onnx'), '--device', 'cpu', '--format', 'json'],
      ...['--train', featuresOf('train'), '--calibration', featuresOf('calibration')],
      ...['--evaluation', featuresOf('test'), ...oodOptions(featuresOf)],
      ...['--methods', ['all', ...specs].join(',')],
    ]);
    results = JSON.parse(stdout);
  }, 600_000);

  const rowsOf = (spec: string): readonly ResultRow[] => {
    const canonical = findDetector(spec).spec;
    return results.rows.filter(
      ({ method, params }) => findDetector(specOf(method, params)).spec === canonical,
    );
  };

  it('fits every registered method with its defaults', () => {
    const fitted = new Set(results.rows.map(({ method }) => method));
    expect(methods.map(({ id }) => id).filter((id) => !fitted.has(id))).toEqual([]);
    expect(results.skipped ?? []).toEqual([]);
  });

  it('covers every row of both reference tables', () => {
    const known = new Set(Object.keys({ ...BASE_SPECS, ...METHOD_SPECS }));
    expect(Object.keys(readReference()).filter((row) => !known.has(row))).toEqual([]);
    expect(Object.keys(readReference('cifar10.extra.json')).filter((row) => !(row in EXTRA_SPECS))).toEqual(
      [],
    );
  });

  it.each([
    ...[...Object.entries(BASE_SPECS), ...METHOD_ROWS].map(
      ([row, spec]) => ['cifar10.results.json', row, spec] as const,
    ),
    ...EXTRA_ROWS.map(([row, spec]) => ['cifar10.extra.json', row, spec] as const),
  ])('%s, %s: within 0.05 points of %s on every set', (file, row, spec) => {
    const expected = readReference(file)[row]!;
    const rows = rowsOf(spec);
    expect(rows.length).toBe(Object.keys(expected).length);
    for (const { ood, fpr95, auroc } of rows) {
      expect(Math.abs(100 * fpr95 - expected[ood]!.FPR95), `${ood} FPR95`).toBeLessThan(0.05);
      expect(Math.abs(100 * auroc - expected[ood]!.AUROC), `${ood} AUROC`).toBeLessThan(0.05);
    }
  });
});

function specOf(method: string, params: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(params).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? method : `${method}:${pairs.join(',')}`;
}
