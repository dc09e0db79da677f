/**
 * How an image becomes the classifier's input, as stored in the artifact: resize, centre crop, then
 * (value / 255 − mean) / std per channel in RGB order.
 */
export interface Preprocessing {
  /** `{shorter}`: the shorter side to this many pixels, keeping the aspect; `{height, width}`: both; null: as is. */
  readonly resize: { readonly shorter: number } | { readonly height: number; readonly width: number } | null;
  /** Centre crop to a square of this many pixels (zeros around a smaller image); null: none. */
  readonly crop: number | null;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}
