import { argmax, logSumExp, maxSoftmax } from '../maths/logit-sums.ts';
import type { GraphBuilder, GraphValue, Param } from './contract.ts';
import { graphNumber } from './graph-pieces.ts';
import { parseNumber } from './params.ts';

/** How logits become one number; each is higher for in-distribution samples. */
export interface LogitScore {
  /** `energy`: T·LSE(f/T). `softmax`: max softmax(f/T), which is MSP for T = 1 and ODIN's otherwise. `max`: max f. */
  readonly kind: 'energy' | 'softmax' | 'max';
  /** T > 0; 1 for `max`. */
  readonly temperature: number;
}

export const ENERGY: LogitScore = { kind: 'energy', temperature: 1 };
export const MSP: LogitScore = { kind: 'softmax', temperature: 1 };
export const MAX_LOGIT: LogitScore = { kind: 'max', temperature: 1 };
/** ODIN's temperature in the paper and here, unless another is given. */
export const ODIN_TEMPERATURE = 1000;

/** The parameter `score=energy|msp|maxlogit|odin[:T]`. */
export function scoreParam(fallback = 'energy'): Param<LogitScore> {
  return {
    default: fallback,
    expects: 'energy, msp, maxlogit, odin or odin:T with a temperature T above 0',
    parse: parseScore,
    format: formatScore,
  };
}

/** The score of `classes` logits from `at` on, in float64. */
export function scoreLogits(score: LogitScore, logits: Float64Array, at: number, classes: number): number {
  if (score.kind === 'energy') return logSumExp(logits, at, classes, score.temperature);
  if (score.kind === 'softmax') return maxSoftmax(logits, at, classes, score.temperature);
  return logits[at + argmax(logits, at, classes)]!;
}

/** The score of logits that are all zero, whatever the sample: where a cosine of 0 leads. */
export function scoreOfZeros(score: LogitScore, classes: number): number {
  return scoreLogits(score, new Float64Array(classes), 0, classes);
}

/**
 * The same as ONNX nodes: float32 logits [N, C] → float64 scores [N]. In float64, because max softmax is within
 * float32's rounding of 1 for most samples and, at T = 1000, spans a few thousandths in all. Only operators that
 * have one form from opset 9 to 17 are used. onnxruntime's ReduceLogSumExp subtracts the largest value itself; in
 * float64 a runtime that does not could use logits up to 709.
 */
export function graphScore(builder: GraphBuilder, score: LogitScore, logits: GraphValue): GraphValue {
  const wide = builder.op('Cast', [logits], { to: ONNX_DOUBLE });
  if (score.kind === 'max') return builder.op('ReduceMax', [wide], { axes: [1], keepdims: 0 });
  const temperature = graphNumber(builder, score.temperature);
  const temper = (x: GraphValue) => (score.temperature === 1 ? x : builder.op('Div', [x, temperature]));
  if (score.kind === 'energy') {
    const logSum = builder.op('ReduceLogSumExp', [temper(wide)], { axes: [1], keepdims: 0 });
    return score.temperature === 1 ? logSum : builder.op('Mul', [logSum, temperature]);
  }
  const largest = builder.op('ReduceMax', [wide], { axes: [1], keepdims: 1 });
  const below = temper(builder.op('Sub', [wide, largest]));
  const logSum = builder.op('ReduceLogSumExp', [below], { axes: [1], keepdims: 0 });
  return builder.op('Exp', [builder.op('Neg', [logSum])]);
}

/** TensorProto.DataType of ONNX. */
export const ONNX_FLOAT = 1;
export const ONNX_DOUBLE = 11;

function parseScore(text: string): LogitScore | undefined {
  if (text === 'energy') return ENERGY;
  if (text === 'msp') return MSP;
  if (text === 'maxlogit') return MAX_LOGIT;
  if (text === 'odin') return { kind: 'softmax', temperature: ODIN_TEMPERATURE };
  const temperature = text.startsWith('odin:') ? parseNumber(text.slice(5)) : undefined;
  return temperature !== undefined && temperature > 0 ? { kind: 'softmax', temperature } : undefined;
}

function formatScore({ kind, temperature }: LogitScore): string {
  if (kind === 'energy') return 'energy';
  if (kind === 'max') return 'maxlogit';
  if (temperature === 1) return 'msp';
  return temperature === ODIN_TEMPERATURE ? 'odin' : `odin:${temperature}`;
}
