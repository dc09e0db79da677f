import type { DType } from '../formats/element-types.ts';
import type { Preprocessing } from '../images/preprocessing.ts';

/**
 * Everything about a detector that is not a tensor: one JSON document, kept in canonical form under the key
 * `himplos` of the `__metadata__` of detector.safetensors. It depends on inputs and parameters only: no time
 * stamp, machine name or path, so that the same calibration gives the same bytes.
 */
export interface DetectorDocument {
  /** Readers refuse any other number. */
  readonly formatVersion: 1;
  /** Version of himplos that wrote the detector, e.g. `0.1.0`. */
  readonly toolVersion: string;
  /** What the user calls the detector; null when it was given no name. */
  readonly name: string | null;
  /** Canonical method spec with every parameter, e.g. `himplos:mask=50,clip=p95,smoothing=scale,score=energy`. */
  readonly method: string;
  /** Higher scores are more in-distribution; x is accepted as ID iff score(x) ≥ γ. */
  readonly direction: 'higher-is-id';
  readonly threshold: DetectorThreshold;
  /** How the method's parameters were chosen; absent when they were given. */
  readonly tuning?: DetectorTuning | undefined;
  /** C, the number of logits. */
  readonly classes: number;
  /** L, the number of penultimate features. */
  readonly width: number;
  /** C names in the order of the logits; not necessarily unique. */
  readonly classNames: readonly string[];
  /** Classes without training samples, ascending: a method with prototypes decides `ood` for all of them. */
  readonly missingClasses: readonly number[];
  /** SHA-256 of the bytes of head.weight followed by those of head.bias. */
  readonly headFingerprint: string;
  /** Where the head comes from; null when it was given by itself (`--head`). */
  readonly model: DetectorModel | null;
  /** How images become the model's input; null when the detector scores features only. */
  readonly preprocessing: Preprocessing | null;
  readonly data: {
    readonly train: DataSummary;
    readonly calibration: DataSummary;
    readonly evaluation: DataSummary | null;
    /** Named sets, in the order they were given. */
    readonly ood: readonly (DataSummary & { readonly name: string })[];
  };
  /** Quality as measured at calibration. */
  readonly metrics: DetectorMetrics;
  /** Sentences a user should read before trusting the detector. */
  readonly warnings: readonly string[];
  /** Every tensor of the file, by its full name. */
  readonly tensors: Readonly<Record<string, { readonly dtype: DType; readonly shape: readonly number[] }>>;
}

/** γ and how it was chosen. */
export interface DetectorThreshold {
  /** γ itself. */
  readonly gamma: number;
  /** Wanted share of in-distribution samples accepted, in (0, 1). */
  readonly tpr: number;
  /** γ is the midpoint between the calibration score at `index` and the next lower distinct one. */
  readonly rule: 'conformal-midpoint';
  /** n, the number of held-out calibration scores. */
  readonly calibrationScores: number;
  /** Rank of the score behind γ: 1 is the smallest. */
  readonly index: number;
}

/** Parameters chosen on held-out in-distribution samples and outliers made of them, without an OOD set. */
export interface DetectorTuning {
  /** What was varied, and over which values. */
  readonly grid: readonly { readonly key: string; readonly values: readonly string[] }[];
  /** Combinations that were tried. */
  readonly points: number;
  readonly heldOut: { readonly from: 'calibration'; readonly count: number };
  readonly outliers: readonly { readonly kind: string; readonly count: number }[];
  /** Of the outliers. */
  readonly seed: number;
  /** Means over the kinds of outliers for the chosen parameters, fractions of 1. */
  readonly fpr95: number;
  readonly auroc: number;
}

/** The model a head was cut from. */
export interface DetectorModel {
  /** SHA-256 of the model file (and of its external data, where it has any). */
  readonly digest: string;
  /** File name without folders. */
  readonly name: string | null;
  /** Tensor at which the graph is cut: the input of the classifier head. */
  readonly headInput: string;
}

/** What a source held. */
export interface DataSummary {
  /** What the user calls it; null for a source without a name. */
  readonly name: string | null;
  readonly kind: 'images' | 'features';
  /** SHA-256 over the contents, as 64 hexadecimal digits. */
  readonly digest: string;
  /** Samples that were used. */
  readonly count: number;
  /** Samples per class (C numbers that add up to `count`); null where the samples have no labels. */
  readonly perClass: readonly number[] | null;
}

/** Quality at calibration. Figures are fractions of 1. */
export interface DetectorMetrics {
  readonly id: {
    /** Which set the figures are from: the calibration set itself when there was no evaluation set. */
    readonly on: 'evaluation' | 'calibration';
    readonly n: number;
    /** Share of labels predicted; null without labels. */
    readonly accuracy: number | null;
    /** Share of samples accepted by γ. */
    readonly coverage: number;
  };
  /** One entry per OOD set, in the order of `data.ood`. */
  readonly ood: readonly OodMetrics[];
}

/** Separation from one OOD set. */
export interface OodMetrics {
  readonly name: string;
  readonly n: number;
  readonly fpr95: number;
  readonly fpr95_ood: number;
  readonly auroc: number;
  readonly aupr_in: number;
  readonly aupr_out: number;
}
