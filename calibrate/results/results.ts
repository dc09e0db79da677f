import { parseSpec } from '../../shared/methods/spec.ts';

/** How well one method separates the ID set from one OOD set. All figures are fractions of 1. */
export interface ResultRow {
  /** Method id, e.g. `himplos`. */
  readonly method: string;
  /** Its parameters, as in a spec. */
  readonly params: Readonly<Record<string, string>>;
  /** Name of the OOD set, or `average` over all of them. */
  readonly ood: string;
  readonly fpr95: number;
  readonly fpr95_ood: number;
  readonly auroc: number;
  readonly aupr_in: number;
  readonly aupr_out: number;
  readonly n_id: number;
  readonly n_ood: number;
}

/** What `calibrate`, `evaluate` and `compare` report. */
export interface Results {
  readonly rows: readonly ResultRow[];
  readonly id: {
    /** Share of ID labels predicted; null without labels. */
    readonly accuracy: number | null;
    readonly n: number;
    /** Share of ID samples that γ accepts; null where there is no γ. */
    readonly coverage: number | null;
  };
  /** Methods that were left out, and why. */
  readonly skipped?: readonly { readonly method: string; readonly reason: string }[];
  readonly warnings?: readonly string[];
}

/** Name of the row that averages a method's others. */
export const AVERAGE = 'average';

/** The figures a row holds, in the order tables show them. */
export const FIGURES = ['fpr95', 'auroc', 'aupr_in', 'aupr_out', 'fpr95_ood'] as const;

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
