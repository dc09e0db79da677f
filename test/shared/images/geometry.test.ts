import { describe, expect, it } from 'vitest';
import { planGeometry } from '../../../shared/images/geometry.ts';
import type { Preprocessing } from '../../../shared/images/preprocessing.ts';
import { failureOf } from '../formats/expect-failure.ts';

const plan = (resize: Preprocessing['resize'], crop: number | null, width: number, height: number) =>
  planGeometry({ resize, crop, mean: [0, 0, 0], std: [1, 1, 1] }, width, height);

describe('where pixels go', () => {
  it.each([
    // torchvision cuts the fraction of the longer side off, it does not round
    [500, 375, 341, 256],
    [375, 500, 256, 341],
    [256, 256, 256, 256],
    [17, 31, 256, 466],
    [900, 120, 1920, 256],
  ])('resize 256 of %i × %i gives %i × %i', (width, height, toWidth, toHeight) => {
    expect(plan({ shorter: 256 }, null, width, height).resized).toEqual({ width: toWidth, height: toHeight });
  });

  it('resize of both sides ignores the aspect', () => {
    expect(plan({ height: 20, width: 30 }, null, 7, 500).resized).toEqual({ width: 30, height: 20 });
  });

  it.each([
    [256, 224, 16],
    [225, 224, 0], // ½ to even
    [227, 224, 2], // 1½ to even
    [229, 224, 2], // 2½ to even
    [224, 224, 0],
  ])('a side of %i cropped to %i starts at %i', (side, crop, start) => {
    const { region, padLeft, output } = plan(null, crop, side, side);
    expect([region.left, region.width, padLeft, output.width]).toEqual([start, crop, 0, crop]);
  });

  it.each([
    [31, 32, 0],
    [20, 32, 6],
    [1, 4, 1],
  ])('a side of %i is padded to %i, %i of it before', (side, crop, before) => {
    const { region, padTop, output } = plan(null, crop, 400, side);
    expect([region.top, region.height, padTop, output.height]).toEqual([0, side, before, crop]);
  });

  it('refuses what is no size, and inputs past 4096', () => {
    expect(failureOf(() => plan(null, null, 0, 5)).code).toBe('bad-input');
    expect(failureOf(() => plan(null, null, 5, 2.5)).code).toBe('bad-input');
    const failure = failureOf(() => plan({ shorter: 256 }, null, 100, 10_000));
    expect(failure.code).toBe('too-large');
    expect(failure.hint).toContain('--crop');
    expect(plan({ shorter: 256 }, 224, 100, 10_000).output).toEqual({ width: 224, height: 224 });
  });
});
