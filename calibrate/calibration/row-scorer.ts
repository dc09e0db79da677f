import { availableParallelism } from 'node:os';
import type { LoadedDetector } from '../../shared/artifact/load-detector.ts';
import { applyLinearTo } from '../../shared/maths/linear.ts';
import { allocateScores, FLAG_NO_PROTOTYPE, type Scores } from '../../shared/methods/contract.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { cosineFlags, isZeroRow } from '../../shared/methods/smoothing.ts';
import { buildHeadModel } from '../onnx/fused-graph.ts';
import { openSession } from '../session.ts';

/** Scores features with a stored detector. */
export interface RowScorer extends AsyncDisposable {
  /** @returns scores of `rows` rows, valid until the next call */
  score(features: Float32Array<ArrayBuffer>, rows: number): Promise<Scores>;
}

/**
 * The fastest way to score rows with a stored detector: the method's own graph in onnxruntime where there is one
 * (2048 × 1000, one thread: 97 µs a row in batches of 256, where one of the scorer's two products alone takes
 * 0.77 ms), else its scorer.
 */
export async function openRowScorer(
  stored: LoadedDetector,
  threads: number = availableParallelism(),
): Promise<RowScorer> {
  const detector = findDetector(stored.document.method);
  return detector.graph === undefined ? scoreInPlace(stored) : scoreByGraph(stored, threads);
}

function scoreInPlace({ head, tensors, document }: LoadedDetector): RowScorer {
  const scorer = findDetector(document.method).prepare(head, tensors);
  let wide = new Float64Array(0);
  let logits = new Float64Array(0);
  let scores = allocateScores(0);
  return {
    score: async (features, count) => {
      if (scores.score.length < count) {
        wide = new Float64Array(count * head.width);
        logits = new Float64Array(count * head.classes);
        scores = allocateScores(count);
      }
      applyLinearTo(head, features, count, wide, logits);
      scorer.score(features, logits, count, scores);
      return scores;
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

async function scoreByGraph(stored: LoadedDetector, threads: number): Promise<RowScorer> {
  const { head, tensors, document } = stored;
  const detector = findDetector(document.method);
  const model = buildHeadModel({ head, detector, tensors, gamma: document.threshold.gamma });
  const session = await openSession(model, 'the detector’s graph', { device: 'cpu', threads });
  let scores = allocateScores(0);
  const isMissing = new Set(document.missingClasses);
  const hasCosine = session.outputs.includes('cosine');
  const refused = detector.refusedClasses?.(head, tensors);
  return {
    score: async (features, count) => {
      if (scores.score.length < count) scores = allocateScores(count);
      const names = ['score', 'predicted_class', ...(hasCosine ? (['cosine'] as const) : [])] as const;
      const outputs = await session.run('features', features, [count, head.width], names);
      for (let row = 0; row < count; row++) {
        scores.score[row] = Number(outputs.score[row]);
        scores.predicted[row] = Number(outputs.predicted_class[row]);
        const cosine = hasCosine ? Number(outputs.cosine[row]) : Number.NaN;
        const predicted = scores.predicted[row]!;
        scores.cosine[row] = cosine;
        if (!hasCosine) scores.flags[row] = refused?.[predicted] === 1 ? FLAG_NO_PROTOTYPE : 0;
        else if (cosine > 0) scores.flags[row] = 0;
        else {
          const isZero = isZeroRow(features, row * head.width, head.width);
          scores.flags[row] = cosineFlags(isZero, !isMissing.has(predicted));
        }
      }
      return scores;
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}
