import { expect } from 'vitest';
import type { Head } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from './fit-and-score.ts';
import { type LabelledFeatures, makeProblem, type Problem } from './sample-problem.ts';

/** One sample, in plain arrays. */
export interface Sample {
  readonly h: readonly number[];
  readonly f: readonly number[];
  readonly p: readonly number[];
  readonly predicted: number;
  readonly label: number;
}

/** A problem in plain arrays, for oracles that are obviously right and slow. */
export interface Plain {
  /** C rows of L weights. */
  readonly W: readonly (readonly number[])[];
  readonly b: readonly number[];
  readonly train: readonly Sample[];
  readonly calibration: readonly Sample[];
}

/**
 * Fits and scores `spec`, and holds every score against an oracle made from the plain problem.
 * @param tolerance relative to max(1, |S|)
 */
export async function expectOracle(
  spec: string,
  oracle: (problem: Plain) => (sample: Sample) => number,
  { tolerance = 1e-9, problem = makeProblem() }: { tolerance?: number; problem?: Problem } = {},
): Promise<void> {
  const { head, train, calibration, id, ood } = problem;
  const detector = findDetector(spec);
  const scorer = detector.prepare(head, await fitDetector(detector, problem));
  const score = oracle({
    W: rowsOf(head.weight, head.width),
    b: [...head.bias],
    train: samplesOf(head, train),
    calibration: samplesOf(head, calibration),
  });
  for (const set of [id, ood]) {
    const got = scoreAll(scorer, head, set);
    samplesOf(head, set).forEach((sample, row) => {
      const wanted = score(sample);
      const off = Math.abs(got.score[row]! - wanted) / Math.max(1, Math.abs(wanted));
      expect(off, `row ${row}: ${got.score[row]} instead of ${wanted}`).toBeLessThanOrEqual(tolerance);
      expect(got.predicted[row]).toBe(sample.predicted);
    });
  }
}

export function samplesOf(head: Head, { features, labels }: LabelledFeatures): Sample[] {
  const W = rowsOf(head.weight, head.width);
  return rowsOf(features, head.width).map((h, row) => {
    const f = logits(W, [...head.bias], h);
    return { h, f, p: softmax(f), predicted: f.indexOf(Math.max(...f)), label: labels[row]! };
  });
}

export function logits(
  W: readonly (readonly number[])[],
  b: readonly number[],
  h: readonly number[],
): number[] {
  return W.map((w, c) => dot(w, h) + b[c]!);
}

export function logSumExp(f: readonly number[]): number {
  const largest = Math.max(...f);
  return largest + Math.log(sum(f.map((x) => Math.exp(x - largest))));
}

export function softmax(f: readonly number[]): number[] {
  const largest = Math.max(...f);
  const powers = f.map((x) => Math.exp(x - largest));
  return powers.map((power) => power / sum(powers));
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return sum(a.map((value, i) => value * b[i]!));
}

export function norm(values: readonly number[]): number {
  return Math.sqrt(dot(values, values));
}

export function minus(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value - b[i]!);
}

/** Mean vector. */
export function mean(rows: readonly (readonly number[])[]): number[] {
  return rows[0]!.map((_, l) => sum(rows.map((row) => row[l]!)) / rows.length);
}

/** numpy's default percentile. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (p / 100) * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}

/** Outer-product average of (a − centre)(a − centre)ᵀ. */
export function scatter(
  rows: readonly (readonly number[])[],
  centreOf: (row: number) => readonly number[],
): number[][] {
  const centred = rows.map((row, i) => minus(row, centreOf(i)));
  return centred[0]!.map((_, i) =>
    centred[0]!.map((_, j) => sum(centred.map((row) => row[i]! * row[j]!)) / rows.length),
  );
}

/** x with A·x = b, by Gaussian elimination with row exchanges. */
export function solve(A: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = A.map((row, i) => [...row, b[i]!]);
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    const pivot = rows.slice(k).reduce((best, row, i) => {
      return Math.abs(row[k]!) > Math.abs(rows[best]![k]!) ? i + k : best;
    }, k);
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i]![k]! / rows[k]![k]!;
      for (let j = k; j <= n; j++) rows[i]![j]! -= factor * rows[k]![j]!;
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    x[i] =
      (rows[i]![n]! - sum(x.slice(i + 1).map((value, j) => value * rows[i]![i + 1 + j]!))) / rows[i]![i]!;
  }
  return x;
}

/** Eigenvectors of a symmetric matrix, ascending by eigenvalue: Jacobi rotations until nothing is left to rotate. */
export function jacobiEigenvectors(A: readonly (readonly number[])[]): number[][] {
  const a = A.map((row) => [...row]);
  const n = a.length;
  const v = a.map((_, i) => a.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const angle = 0.5 * Math.atan2(2 * a[p]![q]!, a[q]![q]! - a[p]![p]!);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[k]![p]!, a[k]![q]!];
          a[k]![p] = c * x - s * y;
          a[k]![q] = s * x + c * y;
        }
        for (let k = 0; k < n; k++) {
          const [x, y] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * x - s * y;
          a[q]![k] = s * x + c * y;
          const [u, w] = [v[p]![k]!, v[q]![k]!];
          v[p]![k] = c * u - s * w;
          v[q]![k] = s * u + c * w;
        }
      }
    }
  }
  return v
    .map((_, i) => i)
    .sort((i, j) => a[i]![i]! - a[j]![j]!)
    .map((i) => v[i]!);
}

function rowsOf(matrix: Float32Array, width: number): number[][] {
  return Array.from({ length: matrix.length / width }, (_, i) => [
    ...matrix.subarray(i * width, (i + 1) * width),
  ]);
}
