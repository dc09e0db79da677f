import { parseSpec } from '../../shared/methods/spec.ts';

/** The figures a row holds, in the order tables show them. */
export const FIGURES = ['fpr95', 'auroc', 'aupr_in', 'aupr_out', 'fpr95_ood'] as const;

export type Figure = (typeof FIGURES)[number];

/** How tables write a figure, and which way is better. */
export const FIGURE_FACTS: Readonly<
  Record<Figure, { readonly title: string; readonly better: 'lower' | 'higher' }>
> = {
  fpr95: { title: 'FPR95', better: 'lower' },
  auroc: { title: 'AUROC', better: 'higher' },
  aupr_in: { title: 'AUPR-in', better: 'higher' },
  aupr_out: { title: 'AUPR-out', better: 'higher' },
  fpr95_ood: { title: 'FPR95-OOD', better: 'lower' },
};

/** Lower and upper end. */
export type Interval = readonly [low: number, high: number];

/** How well one method separates the ID set from one OOD set. All figures are fractions of 1. */
export interface ResultRow extends Readonly<Record<Figure, number>> {
  /** Method id, e.g. `himplos`. */
  readonly method: string;
  /** Its parameters, as in a spec. */
  readonly params: Readonly<Record<string, string>>;
  /** Name of the OOD set, `average` over all of them, or the average of the near or the far ones. */
  readonly ood: string;
  readonly n_id: number;
  readonly n_ood: number;
  /** Bootstrap intervals (95 %) of the figures, where they were asked for. */
  readonly intervals?: Readonly<Record<Figure, Interval>>;
}

/** What `calibrate`, `evaluate`, `compare` and `sweep` report. */
export interface Results {
  readonly rows: readonly ResultRow[];
  readonly id: {
    /** Share of ID labels predicted; null without labels. */
    readonly accuracy: number | null;
    readonly n: number;
    /** Share of ID samples that γ accepts; null where there is no γ. */
    readonly coverage: number | null;
  };
  /** OOD sets that resemble the ID data; the others are far. Absent where sets are not told apart. */
  readonly near?: readonly string[];
  /** How intervals were made; absent without them. */
  readonly bootstrap?: { readonly replicates: number; readonly seed: number };
  /** Paired t-tests of the average figures against a baseline; absent when there is none. */
  readonly tests?: readonly PairedTest[];
  /** Methods that were left out, and why. */
  readonly skipped?: readonly { readonly method: string; readonly reason: string }[];
  readonly warnings?: readonly string[];
}

/** Whether a method's average figure differs from the baseline's, fold by fold. */
export interface PairedTest extends Pick<ResultRow, 'method' | 'params'> {
  /** Canonical spec of the method it is held against. */
  readonly baseline: string;
  readonly figure: Figure;
  /** Mean over the folds of method − baseline, as a fraction of 1. */
  readonly difference: number;
  readonly folds: number;
  /** Student's t with folds − 1 degrees of freedom; null where every fold differs by the same amount. */
  readonly t: number | null;
  /** Two-sided. */
  readonly p: number;
}

/** Names of the rows that average a method's others. */
export const AVERAGE = 'average';
export const AVERAGE_NEAR = 'average (near)';
export const AVERAGE_FAR = 'average (far)';

/** A canonical spec as id and parameters. */
export function splitSpec(spec: string): Pick<ResultRow, 'method' | 'params'> {
  const { id, given } = parseSpec(spec);
  return { method: id, params: given };
}

/** Id and parameters as a spec. */
export function joinSpec({ method, params }: Pick<ResultRow, 'method' | 'params'>): string {
  const pairs = Object.entries(params).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? method : `${method}:${pairs.join(',')}`;
}
