import type { Random } from './random.ts';

/** Red, green and blue, 0 to 255. */
export type Color = readonly [red: number, green: number, blue: number];

export const white: Color = [250, 250, 248];
export const black: Color = [35, 32, 38];
export const brown: Color = [121, 78, 46];
export const yellow: Color = [250, 205, 60];
export const orange: Color = [240, 140, 50];

/** Hue in turns (0 red, ⅓ green, ⅔ blue), saturation and value 0 to 1. */
export function hsv(hue: number, saturation: number, value: number): Color {
  const channel = (offset: number) => {
    const k = (offset + 6 * (hue - Math.floor(hue))) % 6;
    return 255 * value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}

/** A strong colour of any hue. */
export function anyBright(random: Random): Color {
  return hsv(random.next(), random.between(0.6, 0.95), random.between(0.65, 0.98));
}

/** A colour near another one. */
export function near(random: Random, color: Color, spread = 22): Color {
  return [
    color[0] + random.between(-spread, spread),
    color[1] + random.between(-spread, spread),
    color[2] + random.between(-spread, spread),
  ];
}

/** Between two colours: 0 gives the first, 1 the second. */
export function mix(from: Color, to: Color, share: number): Color {
  return [
    from[0] + (to[0] - from[0]) * share,
    from[1] + (to[1] - from[1]) * share,
    from[2] + (to[2] - from[2]) * share,
  ];
}

export function darker(color: Color, share = 0.25): Color {
  return mix(color, [0, 0, 0], share);
}

export function lighter(color: Color, share = 0.4): Color {
  return mix(color, [255, 255, 255], share);
}
