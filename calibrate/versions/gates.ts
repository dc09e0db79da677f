import type { DetectorDocument } from '../../shared/artifact/detector-document.ts';
import { coverageInterval } from '../../shared/metrics/coverage.ts';
import { percent } from '../results/format-results.ts';
import type { VersionComparison } from './compare-versions.ts';
import type { GateLimits } from './gate-limits.ts';

/** What one gate found. */
export interface GateResult {
  readonly gate:
    | 'classes'
    | 'width'
    | 'head'
    | 'evaluation'
    | 'accuracy'
    | 'auroc'
    | 'coverage'
    | 'decisions';
  /** The OOD set, for `auroc`. */
  readonly set?: string;
  readonly passed: boolean;
  /** What was measured, by how much it differs, and what is allowed. */
  readonly finding: string;
}

/**
 * Holds a comparison against limits. A version that replaces none has no drop to fail on, but γ must keep its promise,
 * and evaluation rows must be there to tell. Where the detectors are for different classes or the rows are not the
 * same, nothing else can be measured, and nothing else is reported.
 */
export function applyGates(comparison: VersionComparison, limits: GateLimits): readonly GateResult[] {
  const after = comparison.after.detector.document;
  const before = comparison.before?.detector.document;
  const structure = [
    ...(before === undefined ? [] : [classesGate(before, after), widthGate(before, after)]),
    headGate(before, after, limits),
    evaluationGate(comparison),
  ];
  return [...structure, ...measuredGates(comparison, limits)];
}

function classesGate(before: DetectorDocument, after: DetectorDocument): GateResult {
  const nameOf = (index: number) => `${index} (${after.classNames[index] ?? before.classNames[index]})`;
  const fail = (finding: string): GateResult => ({ gate: 'classes', passed: false, finding });
  if (before.classes !== after.classes) return fail(`${after.classes} classes instead of ${before.classes}`);
  const renamed = after.classNames.findIndex((name, index) => name !== before.classNames[index]);
  if (renamed !== -1)
    return fail(`class ${renamed} is ${after.classNames[renamed]} instead of ${before.classNames[renamed]}`);
  const lost = after.missingClasses.filter((index) => !before.missingClasses.includes(index));
  if (lost.length > 0)
    return fail(`without training samples of class ${lost.slice(0, 5).map(nameOf).join(', ')}`);
  return { gate: 'classes', passed: true, finding: `the same ${after.classes} classes` };
}

function widthGate(before: DetectorDocument, after: DetectorDocument): GateResult {
  const passed = before.width === after.width;
  return {
    gate: 'width',
    passed,
    finding: passed
      ? `${after.width} features as before`
      : `${after.width} features instead of ${before.width}`,
  };
}

function headGate(
  before: DetectorDocument | undefined,
  { headFingerprint }: DetectorDocument,
  { knownHeads }: GateLimits,
): GateResult {
  const name = headFingerprint.slice(0, 12);
  if (headFingerprint === before?.headFingerprint)
    return { gate: 'head', passed: true, finding: `head ${name} as before` };
  if (knownHeads.includes(headFingerprint))
    return { gate: 'head', passed: true, finding: `head ${name} is among the known ones` };
  const isFirst = before === undefined && knownHeads.length === 0;
  if (isFirst) return { gate: 'head', passed: true, finding: `head ${name} is the first` };
  return {
    gate: 'head',
    passed: false,
    finding: `head ${headFingerprint} is neither the one before nor among knownHeads`,
  };
}

function evaluationGate({ evaluation, after }: VersionComparison): GateResult {
  const rows = after.evaluation;
  const findings = {
    same: `${rows?.id?.rows} ID rows and ${rows?.ood.length} OOD sets${rows?.ood.length === 0 ? '' : ' '}to measure on`,
    different: 'the versions keep different evaluation rows: they are not comparable',
    absent: 'a version keeps no ID evaluation rows: calibrate with --evaluation',
  };
  return { gate: 'evaluation', passed: evaluation === 'same', finding: findings[evaluation] };
}

function measuredGates(comparison: VersionComparison, limits: GateLimits): readonly GateResult[] {
  const { measuredBefore: before, measuredAfter: after, changed } = comparison;
  if (after === undefined) return [];
  const gates: GateResult[] = [];
  if (before !== undefined && before.id.accuracy !== null && after.id.accuracy !== null) {
    gates.push({ gate: 'accuracy', ...drop(before.id.accuracy, after.id.accuracy, limits.maxAccuracyDrop) });
  }
  for (const { name, auroc } of after.ood) {
    const earlier = before?.ood.find((set) => set.name === name);
    if (earlier === undefined) continue;
    const limit = Object.hasOwn(limits.maxAurocDropOn, name)
      ? limits.maxAurocDropOn[name]!
      : limits.maxAurocDrop;
    gates.push({ gate: 'auroc', set: name, ...drop(earlier.auroc, auroc, limit) });
  }
  gates.push(coverageGate(comparison, limits));
  if (changed !== undefined) {
    const share = changed.rows / changed.of;
    gates.push({
      gate: 'decisions',
      passed: share <= limits.maxChangedDecisions,
      finding: `${percent(share)} % of ${changed.of} decisions differ, at most ${percent(limits.maxChangedDecisions)} % may`,
    });
  }
  return gates;
}

/** Rounding of the figures themselves must not decide. */
const EPSILON = 1e-12;

function drop(before: number, after: number, limit: number): Pick<GateResult, 'passed' | 'finding'> {
  const change = after - before;
  const moved = `${change < 0 ? 'fell' : 'rose'} by ${percent(Math.abs(change))} points`;
  return {
    passed: -change <= limit + EPSILON,
    finding: `${percent(before)} % → ${percent(after)} %: ${moved}, may fall by ${percent(limit)}`,
  };
}

/** DESIGN: the accepted ID rows follow a beta-binomial law when γ is what calibration promised. */
function coverageGate({ after, measuredAfter }: VersionComparison, limits: GateLimits): GateResult {
  const { threshold } = after.detector.document;
  const { rows, accepted } = measuredAfter!.id;
  const { low, high } = coverageInterval(
    threshold,
    threshold.calibrationScores,
    rows,
    limits.coverageProbability,
  );
  const distance =
    accepted < low ? `, ${low - accepted} too few` : accepted > high ? `, ${accepted - high} too many` : '';
  return {
    gate: 'coverage',
    passed: distance === '',
    finding: `γ accepts ${accepted} of ${rows} ID rows (${percent(accepted / rows)} %)${distance}, expected ${low} to ${high} for ${percent(threshold.tpr)} %`,
  };
}
