import type { DetectorDocument } from '../../shared/artifact/detector-document.ts';
import { parseSpec } from '../../shared/methods/spec.ts';
import type { VersionComparison } from './compare-versions.ts';
import type { MeasuredVersion } from './measure-version.ts';

/** One line of a difference between two versions. */
export interface Difference {
  /** What it is about, e.g. `method mask` or `AUROC textures`. */
  readonly what: string;
  readonly before: string | number | null;
  readonly after: string | number | null;
}

export interface VersionDiff {
  /** Parameters, threshold, head, model and data, where they differ. */
  readonly parameters: readonly Difference[];
  /** Figures of both, as fractions of 1: on the same stored rows where they have them, else as measured at calibration. */
  readonly figures: readonly Difference[];
  readonly measuredOn: 'the same evaluation rows' | 'each its own data';
  /** Share of decisions that differ on the stored rows; null when they are not comparable. */
  readonly changedDecisions: number | null;
  readonly evaluation: VersionComparison['evaluation'];
}

/** How one version differs from another. */
export function diffVersions(comparison: VersionComparison & { readonly before: object }): VersionDiff {
  const { before, after, measuredBefore, measuredAfter, changed, evaluation } = comparison;
  const documents = [before.detector.document, after.detector.document] as const;
  const isMeasured = measuredBefore !== undefined && measuredAfter !== undefined;
  return {
    parameters: differing(parametersOf(documents[0]), parametersOf(documents[1])),
    figures: isMeasured
      ? paired(figuresOf(measuredBefore), figuresOf(measuredAfter))
      : paired(storedFigures(documents[0]), storedFigures(documents[1])),
    measuredOn: isMeasured ? 'the same evaluation rows' : 'each its own data',
    changedDecisions: changed === undefined ? null : changed.rows / changed.of,
    evaluation,
  };
}

type Values = ReadonlyMap<string, string | number | null>;

function parametersOf(document: DetectorDocument): Values {
  const { method, threshold, data, model } = document;
  const { id, given } = parseSpec(method);
  return new Map<string, string | number | null>([
    ['method', id],
    ...Object.entries(given).map(([key, value]) => [`method ${key}`, value] as const),
    ['threshold γ', threshold.gamma],
    ['threshold TPR', threshold.tpr],
    ['classes', document.classes],
    ['class names', document.classNames.join(', ')],
    ['classes without training samples', document.missingClasses.join(', ') || null],
    ['features', document.width],
    ['head', document.headFingerprint],
    ['model', model?.digest ?? null],
    ['preprocessing', document.preprocessing === null ? null : JSON.stringify(document.preprocessing)],
    ...(['train', 'calibration', 'evaluation'] as const).flatMap(
      (role): [string, string | number | null][] => [
        [`${role} data`, data[role]?.digest ?? null],
        [`${role} samples`, data[role]?.count ?? null],
      ],
    ),
    ...data.ood.map(({ name, digest }) => [`OOD set ${name}`, digest] as const),
    ['tool version', document.toolVersion],
  ]);
}

function figuresOf({ id, ood }: MeasuredVersion): Values {
  return new Map<string, number | null>([
    ['accuracy', id.accuracy],
    ['coverage of γ', id.accepted / id.rows],
    ...ood.flatMap(({ name, auroc, fpr95 }): [string, number][] => [
      [`AUROC ${name}`, auroc],
      [`FPR95 ${name}`, fpr95],
    ]),
  ]);
}

function storedFigures({ metrics: { id, ood } }: DetectorDocument): Values {
  return new Map<string, number | null>([
    ['accuracy', id.accuracy],
    ['coverage of γ', id.coverage],
    ...ood.flatMap(({ name, auroc, fpr95 }): [string, number][] => [
      [`AUROC ${name}`, auroc],
      [`FPR95 ${name}`, fpr95],
    ]),
  ]);
}

function differing(before: Values, after: Values): readonly Difference[] {
  return paired(before, after).filter((line) => line.before !== line.after);
}

function paired(before: Values, after: Values): readonly Difference[] {
  return [...new Set([...before.keys(), ...after.keys()])].map((what) => ({
    what,
    before: before.get(what) ?? null,
    after: after.get(what) ?? null,
  }));
}
