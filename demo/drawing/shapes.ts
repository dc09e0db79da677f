/**
 * A shape as its signed distance: how far a point lies from its edge, negative inside. Lengths are in the
 * drawing's own units: the square from −1 to 1, x to the right and y downwards.
 */
export type Shape = (x: number, y: number) => number;

export type Point = readonly [x: number, y: number];

export function circle(cx: number, cy: number, radius: number): Shape {
  return (x, y) => length(x - cx, y - cy) - radius;
}

/** Close to its edge the distance is right to first order, which is where it is looked at. */
export function ellipse(cx: number, cy: number, rx: number, ry: number): Shape {
  return (x, y) => {
    const u = (x - cx) / rx;
    const v = (y - cy) / ry;
    const level = length(u, v);
    const slope = length(u / rx, v / ry);
    return slope === 0 ? -Math.min(rx, ry) : (level * (level - 1)) / slope;
  };
}

/** A rectangle about a centre, by half its width and height, with corners rounded to a radius. */
export function box(cx: number, cy: number, halfWidth: number, halfHeight: number, round = 0): Shape {
  return (x, y) => {
    const dx = Math.abs(x - cx) - halfWidth + round;
    const dy = Math.abs(y - cy) - halfHeight + round;
    return length(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - round;
  };
}

/** A stroke with round ends from one point through the next ones. */
export function stroke(radius: number, ...points: readonly Point[]): Shape {
  return (x, y) => {
    let nearest = Number.POSITIVE_INFINITY;
    for (let i = 1; i < points.length; i++) {
      nearest = Math.min(nearest, distanceToSegment(x, y, points[i - 1]!, points[i]!));
    }
    return nearest - radius;
  };
}

/** A closed polygon; inside is where a ray crosses an odd number of sides. */
export function polygon(...points: readonly Point[]): Shape {
  return (x, y) => {
    let nearest = Number.POSITIVE_INFINITY;
    let isInside = false;
    for (let i = 0; i < points.length; i++) {
      const a = points[i]!;
      const b = points[(i + 1) % points.length]!;
      nearest = Math.min(nearest, distanceToSegment(x, y, a, b));
      if (a[1] > y !== b[1] > y && x < a[0] + ((y - a[1]) / (b[1] - a[1])) * (b[0] - a[0])) {
        isInside = !isInside;
      }
    }
    return isInside ? -nearest : nearest;
  };
}

/** A star or regular polygon: corners alternate between two radii, the first one straight up. */
export function star(cx: number, cy: number, points: number, outer: number, inner: number): Shape {
  const corners = Array.from({ length: 2 * points }, (_, i): Point => {
    const angle = (Math.PI * i) / points;
    const radius = i % 2 === 0 ? outer : inner;
    return [cx + radius * Math.sin(angle), cy - radius * Math.cos(angle)];
  });
  return polygon(...corners);
}

/** The line of a shape's edge. */
export function edge(shape: Shape, radius: number): Shape {
  return (x, y) => Math.abs(shape(x, y)) - radius;
}

export function union(...shapes: readonly Shape[]): Shape {
  return (x, y) => {
    let nearest = Number.POSITIVE_INFINITY;
    for (const shape of shapes) nearest = Math.min(nearest, shape(x, y));
    return nearest;
  };
}

export function intersection(...shapes: readonly Shape[]): Shape {
  return (x, y) => {
    let farthest = Number.NEGATIVE_INFINITY;
    for (const shape of shapes) farthest = Math.max(farthest, shape(x, y));
    return farthest;
  };
}

/** A shape without what another one covers. */
export function without(shape: Shape, cut: Shape): Shape {
  return (x, y) => Math.max(shape(x, y), -cut(x, y));
}

/** Everything above a height (y points down). */
export function above(height: number): Shape {
  return (_, y) => y - height;
}

export function below(height: number): Shape {
  return (_, y) => height - y;
}

/** A shape turned clockwise about a point, by radians. */
export function turned(shape: Shape, angle: number, cx = 0, cy = 0): Shape {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return (x, y) => {
    const dx = x - cx;
    const dy = y - cy;
    return shape(cx + cos * dx + sin * dy, cy - sin * dx + cos * dy);
  };
}

function distanceToSegment(x: number, y: number, a: Point, b: Point): number {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  const along = ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy);
  const t = Math.min(1, Math.max(0, along));
  return length(x - a[0] - t * dx, y - a[1] - t * dy);
}

/** Three times as fast as Math.hypot, which also minds overflow. */
function length(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}
