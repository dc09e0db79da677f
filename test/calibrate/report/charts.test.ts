import { describe, expect, it } from 'vitest';
import { numberAxis } from '../../../calibrate/report/chart.ts';
import { classFigures } from '../../../calibrate/report/class-figures.ts';
import { histogram } from '../../../calibrate/report/distribution-chart.ts';
import { findExtremes } from '../../../calibrate/report/extremes.ts';
import { html } from '../../../calibrate/report/html.ts';
import { principalPlane } from '../../../calibrate/report/principal-plane.ts';
import { rocCurve } from '../../../calibrate/report/roc-chart.ts';
import { sampleRows } from '../../../calibrate/report/sampled-rows.ts';
import { allocateScores } from '../../../shared/methods/contract.ts';
import { measureSeparation } from '../../../shared/metrics/separation.ts';
import { randomNormals } from '../../shared/random.ts';

describe('the html template', () => {
  it('escapes everything but its own markup', () => {
    const name = `<b a="1" c='2'>&\u0000\ud800`;
    expect(html`<p title="${name}">${[html`<i>${name}</i>`, 1.5, undefined, false]}</p>`.text).toBe(
      '<p title="&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;\ufffd\ufffd"><i>&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;\ufffd\ufffd</i>1.5</p>',
    );
  });
});

describe('an axis', () => {
  it.each([
    [0, 1, ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0']],
    [-3, 12, ['0', '5', '10']],
    [0.012, 0.019, ['0.012', '0.014', '0.016', '0.018']],
  ])('from %d to %d has round ticks', (min, max, texts) => {
    expect(numberAxis('x', min, max).ticks.map(({ text }) => text)).toEqual(texts);
  });

  it('has room around a single value', () => {
    const { min, max } = numberAxis('x', 4, 4);
    expect([min, max]).toEqual([3.5, 4.5]);
  });
});

describe('charts', () => {
  it('count every value in a histogram, those outside at its ends', () => {
    const share = histogram(Float64Array.of(-5, 0, 0.5, 1, 99), 0, 1);
    expect(share.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(share[0]).toBeCloseTo(0.4, 12);
    expect(share.at(-1)).toBeCloseTo(0.4, 12);
  });

  it('draw an ROC curve whose area is the AUROC', () => {
    const normal = randomNormals(1);
    const id = Float64Array.from({ length: 500 }, () => normal() + 1);
    const ood = Float64Array.from({ length: 300 }, normal);
    const points = rocCurve(id, ood);
    let area = 0;
    for (let i = 1; i < points.length; i++) {
      const [[x0, y0], [x1, y1]] = [points[i - 1]!, points[i]!];
      expect(x1).toBeGreaterThanOrEqual(x0);
      area += ((x1 - x0) * (y0 + y1)) / 2;
    }
    expect(area).toBeCloseTo(measureSeparation(id, ood).auroc, 2);
    expect(points.at(-1)).toEqual([1, 1]);
  });

  it('find the plane of largest variance', () => {
    const normal = randomNormals(2);
    const [rows, width] = [400, 7];
    const a = Float64Array.of(3, 0, 4, 0, 0, 0, 0);
    const b = Float64Array.of(0, 2, 0, 0, 0, 0, 0);
    const expected: [number, number][] = [];
    const features = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const [u, v] = [normal(), normal()];
      expected.push([5 * u, 2 * v]);
      for (let l = 0; l < width; l++)
        features[row * width + l] = 10 + u * a[l]! + v * b[l]! + 0.01 * normal();
    }
    const { points, explained } = principalPlane(features, rows, width);
    const mean = [0, 1].map((axis) => expected.reduce((sum, point) => sum + point[axis]!, 0) / rows);
    for (let row = 0; row < rows; row++) {
      expect(Math.abs(points[2 * row]! - (expected[row]![0] - mean[0]!))).toBeLessThan(0.4);
      expect(Math.abs(points[2 * row + 1]! - (expected[row]![1] - mean[1]!))).toBeLessThan(0.7);
    }
    expect(explained[0] + explained[1]).toBeGreaterThan(0.999);
  });

  it('survive rows that are all the same', () => {
    const { points, explained } = principalPlane(new Float32Array(30).fill(2), 10, 3);
    expect([...points].every((value) => value === 0)).toBe(true);
    expect(explained).toEqual([0, 0]);
  });
});

describe('what a report lists', () => {
  const scoresOf = (score: number[], predicted: number[] = []) => {
    const scores = allocateScores(score.length);
    scores.score.set(score);
    scores.predicted.set(predicted);
    return scores;
  };

  it('samples at both ends, ties in their order', () => {
    const scores = scoresOf([1, 9, 5, 5, 2, 7, 8, 0]);
    const { most, least } = findExtremes({ scores, nameOf: (row) => `s${row}` });
    expect(most.map(({ sample }) => sample)).toEqual(['s1', 's6', 's5', 's2', 's3']);
    expect(least.map(({ sample }) => sample)).toEqual(['s7', 's0', 's4', 's3', 's2']);
  });

  it('classes with their samples, and what slips in as them', () => {
    const set = (name: string, scores: ReturnType<typeof scoresOf>, labels: number[]) => {
      return { name, scores, labels: Int32Array.from(labels), nameOf: String };
    };
    const id = set('id', scoresOf([5, 1, 5, 5], [0, 0, 1, 0]), [0, 0, 1, 1]);
    const flagged = scoresOf([9, 9, 1], [1, 1, 1]);
    flagged.flags[0] = 1;
    const ood = [set('far', flagged, [-1, -1, -1])];
    expect(classFigures({ spec: 'msp', id, ood }, 3, 2)).toEqual([
      { samples: 2, accuracy: 1, accepted: 0.5, intruders: 0 },
      { samples: 2, accuracy: 0.5, accepted: 1, intruders: 1 },
      { samples: 0, accuracy: Number.NaN, accepted: Number.NaN, intruders: 0 },
    ]);
    expect(classFigures({ spec: 'msp', id: ood[0]!, ood }, 3, 2)).toBeUndefined();
  });

  it('rows spread over the whole set', async () => {
    const features = Float32Array.from({ length: 20 }, (_, i) => i);
    const set = {
      rows: 10,
      width: 2,
      labels: Int32Array.from({ length: 10 }, (_, i) => i),
      batches: async function* () {
        for (const firstRow of [0, 3, 6, 9]) {
          const rows = Math.min(3, 10 - firstRow);
          yield { rows, firstRow, features: features.slice(2 * firstRow, 2 * (firstRow + rows)) };
        }
      },
    };
    expect([...(await sampleRows(set, 4)).labels]).toEqual([0, 2, 5, 7]);
    expect([...(await sampleRows(set, 4)).features]).toEqual([0, 1, 4, 5, 10, 11, 14, 15]);
    expect((await sampleRows(set, 99)).rows).toBe(10);
  });
});
