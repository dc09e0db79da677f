import type { StatisticRequest, StatisticResults } from '../statistics/contract.ts';
import type { Tensor, Tensors } from '../tensor.ts';
import type { MaskedHead } from './masked-head.ts';

/** The classifier's last linear layer: logits f = W·h + b for penultimate features h. */
export interface Head {
  /** C, the number of logits. */
  readonly classes: number;
  /** L, the number of penultimate features. */
  readonly width: number;
  /** W, C × L row-major: row c holds the weights of class c. */
  readonly weight: Float32Array;
  /** b, C values. */
  readonly bias: Float32Array;
}

/** Why a row is out-of-distribution whatever its score says (bits of {@link Scores.flags}). */
export const FLAG_ZERO_FEATURE = 1; // ‖h‖ = 0: the cosine is undefined and taken as 0
export const FLAG_NO_PROTOTYPE = 2; // the predicted class had no training images
export const FLAG_NEGATIVE_COSINE = 4; // the cosine is ≤ 0 without either of the above

/** Results of scoring `rows` samples, one entry a row. Buffers may be longer than `rows`. */
export interface Scores {
  /** Higher = more in-distribution. */
  readonly score: Float64Array;
  /** argmax of the original logits (ties: the lowest index). */
  readonly predicted: Int32Array;
  /** Cosine to the predicted class's prototype; NaN for methods without one. */
  readonly cosine: Float64Array;
  /** FLAG_… bits; a row with any bit set is always decided `ood`. */
  readonly flags: Uint8Array;
}

/** Buffers for up to `rows` results. */
export function allocateScores(rows: number): Scores {
  return {
    score: new Float64Array(rows),
    predicted: new Int32Array(rows),
    cosine: new Float64Array(rows),
    flags: new Uint8Array(rows),
  };
}

/** A prepared detector. It keeps scratch memory, so one instance serves one caller at a time. */
export interface Scorer {
  /**
   * Scores `rows` samples.
   * @param features rows × L penultimate features, row-major, finite (callers check; see `requireFinite`)
   * @param logits rows × C original logits W·h + b in float64, from `linear`
   * @param out results, at least `rows` long; every field is overwritten for each row
   */
  score(features: Float32Array, logits: Float64Array, rows: number, out: Scores): void;
}

/** What a fit may look at besides the statistics it asks for. */
export interface FitContext {
  readonly head: Head;
  /** Number of training rows, known before the first pass. */
  readonly trainRows: number;
  /** Adds a sentence to the calibration's warnings (shown to the user, stored in the artifact). */
  readonly warn: (sentence: string) => void;
}

/**
 * A fit as a coroutine: every `yield* collect({...})` is one pass over the training data, and the return
 * value is the named tensors that `prepare` needs. The same results always give the same tensors, so a fit
 * can be replayed from stored statistics on another machine.
 */
export type Fit = Generator<StatisticRequest, Tensors, StatisticResults>;

/** A value inside an ONNX graph under construction. */
export type GraphValue = string;

/** Writes ONNX nodes (default domain, opset ≤ 17). Implemented outside `shared/`. */
export interface GraphBuilder {
  /** Adds a node with one output and returns that output. */
  op(
    type: string,
    inputs: readonly GraphValue[],
    attributes?: Readonly<Record<string, number | string | readonly number[]>>,
  ): GraphValue;
  /** Adds a node with several outputs. */
  ops(
    type: string,
    inputs: readonly GraphValue[],
    outputs: number,
    attributes?: Readonly<Record<string, number | string | readonly number[]>>,
  ): GraphValue[];
  /** An initialiser. `BOOL` data is given as U8 with `asBool`. */
  constant(tensor: Tensor, asBool?: boolean): GraphValue;
}

/** What a method's graph starts from. All float32. */
export interface GraphInputs {
  /** [N, L] */
  readonly features: GraphValue;
  /** [N, C] original logits */
  readonly logits: GraphValue;
  /** [N] int64 argmax of `logits` */
  readonly predicted: GraphValue;
}

/** What a method's graph ends in. */
export interface GraphOutputs {
  /** [N] float64 */
  readonly score: GraphValue;
  /** [N] float32 cosine, where the method has one; rows with cosine ≤ 0 are decided `ood`. */
  readonly cosine?: GraphValue;
}

/** A method with its parameters fixed. */
export interface Detector {
  /** Canonical spec with every parameter spelled out, e.g. `himplos:mask=50,clip=p95,smoothing=scale,score=energy`. */
  readonly spec: string;
  /** Asks for statistics, pass by pass, and returns tensors (names without the method's prefix). */
  fit(context: FitContext): Fit;
  /** Builds the hot scorer. Throws `bad-artifact` when a tensor is missing or of the wrong shape. */
  prepare(head: Head, tensors: Tensors): Scorer;
  /**
   * The score that a vanishing cosine drives every sample to (log C for energy of scaled logits), where the method
   * has one. Calibration warns when the threshold is not above it.
   */
  readonly collapsedScore?: (head: Head) => number;
  /**
   * C bytes, 1 for a class whose samples are decided `ood` whatever their score, by a method whose flags depend on the
   * predicted class alone (those with a cosine have it say so). Throws as `prepare` does.
   */
  refusedClasses?(head: Head, tensors: Tensors): Uint8Array;
  /**
   * The same score as a masked head, where it has that form: what the kernel runs (see shared/kernel). Throws as
   * `prepare` does.
   */
  maskedHead?(head: Head, tensors: Tensors): MaskedHead;
  /** The same score as standard ONNX operators, where a closed graph exists. */
  graph?(builder: GraphBuilder, inputs: GraphInputs, head: Head, tensors: Tensors): GraphOutputs;
}

/** One parameter of a method. */
export interface Param<T> {
  /** Text of the default, as a user would type it. */
  readonly default: string;
  /** What is accepted, for messages: "a percentile from 0 up to, not including, 100". */
  readonly expects: string;
  /** The value, or undefined when the text is not acceptable. */
  readonly parse: (text: string) => T | undefined;
  /** The one canonical text of a value; `parse` gives the value back. */
  format(value: T): string;
}

/** One scoring rule, as listed in the registry. */
export interface Method {
  readonly id: string;
  readonly title: string;
  /** Paper (and equation numbers) the score comes from. */
  readonly source: string;
  readonly params: Readonly<Record<string, Param<unknown>>>;
  /** Fixes parameters given as text; throws `bad-usage` naming method, key and what was expected. */
  bind(given: Readonly<Record<string, string>>): Detector;
}
