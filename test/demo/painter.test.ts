import { describe, expect, it } from 'vitest';
import { createPainter, PICTURE_SIDE, type Placement } from '../../demo/drawing/painter.ts';
import {
  above,
  below,
  box,
  circle,
  edge,
  ellipse,
  intersection,
  polygon,
  type Shape,
  star,
  stroke,
  turned,
  union,
  without,
} from '../../demo/drawing/shapes.ts';

const white = [255, 255, 255] as const;
const placement: Placement = { x: 0.1, y: -0.2, scale: 0.7, angle: 0.4, isMirrored: true };

describe('a painter', () => {
  it('covers as much of the picture as the shape has area', () => {
    const areas: [Shape, number][] = [
      [circle(0.1, 0, 0.5), Math.PI * 0.25],
      [box(0, 0.2, 0.6, 0.3), 0.72],
      [ellipse(0, 0, 0.8, 0.3), Math.PI * 0.24],
      [polygon([-0.5, 0.5], [0.5, 0.5], [0, -0.5]), 0.5],
      [stroke(0.1, [-0.5, 0], [0.5, 0]), 0.2 + Math.PI * 0.01],
      [edge(circle(0, 0, 0.6), 0.1), Math.PI * (0.49 - 0.25)],
      [without(box(0, 0, 0.5, 0.5), circle(0, 0, 0.4)), 1 - Math.PI * 0.16],
      [intersection(circle(0, 0, 0.5), above(0)), Math.PI * 0.125],
      [intersection(circle(0, 0, 0.5), below(0)), Math.PI * 0.125],
      [union(box(-0.5, 0, 0.2, 0.2), box(0.5, 0, 0.2, 0.2)), 0.32],
    ];
    for (const [shape, area] of areas) {
      const painter = createPainter();
      painter.fill(shape, white);
      const covered = painter.finish().reduce((sum, value) => sum + value, 0) / (3 * 255);
      expect(covered / (PICTURE_SIDE / 2) ** 2).toBeCloseTo(area, 1);
    }
  });

  it('paints every pixel as if it had looked at the distance of each', () => {
    const shapes: Shape[] = [
      ellipse(0.3, -0.2, 0.65, 0.1),
      turned(ellipse(0, 0, 0.12, 0.8), 0.7),
      star(0, 0, 5, 0.9, 0.4),
      without(intersection(ellipse(0, 0, 0.8, 0.7), above(0)), circle(0.2, 0, 0.2)),
      edge(ellipse(0.5, 0.1, 0.26, 0.27), 0.06),
    ];
    for (const shape of shapes) {
      const painter = createPainter();
      painter.place(placement);
      painter.fill(shape, white);
      expect(painter.finish()).toEqual(paintSlowly(shape, placement));
    }
  });

  it('draws an outline around a shape', () => {
    const painter = createPainter();
    painter.outline(0.2, [255, 0, 0]);
    painter.fill(circle(0, 0, 0.4), white);
    const picture = painter.finish();
    expect(pixelAt(picture, 0, 0)).toEqual([255, 255, 255]);
    expect(pixelAt(picture, 0.5, 0)).toEqual([255, 0, 0]);
    expect(pixelAt(picture, 0.7, 0)).toEqual([0, 0, 0]);
  });
});

function paintSlowly(shape: Shape, { x, y, scale, angle, isMirrored }: Placement): Uint8Array {
  return Uint8Array.from({ length: PICTURE_SIDE * PICTURE_SIDE * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    const dx = (2 * (pixel % PICTURE_SIDE) + 1) / PICTURE_SIDE - 1 - x;
    const dy = (2 * Math.floor(pixel / PICTURE_SIDE) + 1) / PICTURE_SIDE - 1 - y;
    const u = (Math.cos(angle) * dx + Math.sin(angle) * dy) / scale;
    const v = (Math.cos(angle) * dy - Math.sin(angle) * dx) / scale;
    const distance = (shape(isMirrored ? -u : u, v) * scale * PICTURE_SIDE) / 2;
    return Math.round(255 * Math.min(1, Math.max(0, 0.5 - distance)));
  });
}

function pixelAt(picture: Uint8Array, x: number, y: number): readonly number[] {
  const column = Math.floor(((x + 1) / 2) * PICTURE_SIDE);
  const row = Math.floor(((y + 1) / 2) * PICTURE_SIDE);
  const start = 3 * (row * PICTURE_SIDE + column);
  return [...picture.subarray(start, start + 3)];
}
