import { describe, expect, it } from 'vitest';
import { createRandom } from '../../demo/drawing/random.ts';

describe('random numbers', () => {
  it('follow from the seed alone', () => {
    const take = (seed: string) => Array.from({ length: 3 }, createRandom(seed).next);
    expect(take('test/house/7')).toEqual(take('test/house/7'));
    expect(take('test/house/7')).not.toEqual(take('test/house/8'));
    // From another implementation of the same definitions, in Python.
    expect(take('test/house/7')).toEqual([0.30382949649356306, 0.07074245437979698, 0.46870710933580995]);
  });

  it('have the mean and the spread of their distribution', () => {
    const random = createRandom('moments');
    const uniform = Array.from({ length: 20_000 }, () => random.between(-1, 3));
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...uniform)).toBeLessThan(3);
    expect(moments(uniform).mean).toBeCloseTo(1, 1);
    expect(moments(uniform).deviation).toBeCloseTo(4 / Math.sqrt(12), 1);
    const normal = moments(Array.from({ length: 20_000 }, random.normal));
    expect(normal.mean).toBeCloseTo(0, 1);
    expect(normal.deviation).toBeCloseTo(1, 1);
  });

  it('reach both ends of a range of whole numbers and every entry of a list', () => {
    const random = createRandom('ends');
    const whole = new Set(Array.from({ length: 200 }, () => random.whole(2, 5)));
    expect([...whole].sort()).toEqual([2, 3, 4, 5]);
    const picked = new Set(Array.from({ length: 200 }, () => random.pick(['a', 'b', 'c'])));
    expect([...picked].sort()).toEqual(['a', 'b', 'c']);
  });

  it('of seeds that differ by one character have nothing in common', () => {
    const firsts = Array.from({ length: 2000 }, (_, i) => createRandom(`train/tree/${i}`).next());
    expect(moments(firsts).mean).toBeCloseTo(0.5, 1);
    expect(new Set(firsts).size).toBe(2000);
  });
});

function moments(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}
