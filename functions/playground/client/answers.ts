/** What the page uses of `GET /v1/detector`. */
export interface DetectorAnswer {
  readonly name: string;
  readonly artifact_version: string;
  readonly method: string;
  readonly gamma: number;
  readonly tpr: number;
  readonly width: number;
  readonly classes: number;
  readonly takes_images: boolean;
  readonly calibration_scores: number;
  readonly calibration_histogram: {
    readonly from: number;
    readonly to: number;
    readonly counts: readonly number[];
  };
}

/** What the page uses of a result with `detail=full`. */
export interface Result {
  readonly score: number;
  readonly decision: 'id' | 'ood';
  readonly predicted_class: number;
  readonly predicted_name: string;
  readonly p_value: number;
  readonly cosine: number | null;
  readonly warnings: readonly string[];
  readonly detail: {
    readonly energy: Readonly<Record<string, number>>;
    readonly masked_channels?: number;
    readonly clipped_channels?: number;
    readonly top_channels: readonly {
      readonly channel: number;
      readonly feature: number;
      readonly contribution: number;
      readonly is_masked: boolean;
      readonly is_clipped: boolean;
    }[];
  };
}

/** Why the server refused a request. */
export interface Problem {
  readonly message: string;
  readonly hint?: string;
}

/** A number with five significant digits. */
export function round(value: number): string {
  return String(Number(value.toPrecision(5)));
}
