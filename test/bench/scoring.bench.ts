/** Scoring HIMPLoS from features at 2048 × 1000 in batches of 256, against the fused graph alone in onnxruntime. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { openRowScorer } from '../../calibrate/calibration/row-scorer.ts';
import { buildHeadModel } from '../../calibrate/onnx/fused-graph.ts';
import type { LoadedDetector } from '../../shared/artifact/load-detector.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import { runFit } from '../../shared/statistics/run-fit.ts';
import { report, seededRandom, timeInTurn } from './measure.ts';

const WIDTH = 2048;
const CLASSES = 1000;
const ROWS = 256;

const random = seededRandom(1);
const uniform = (count: number, from: number, to: number) =>
  Float32Array.from({ length: count }, () => from + random() * (to - from));
const head = {
  classes: CLASSES,
  width: WIDTH,
  weight: uniform(CLASSES * WIDTH, -0.05, 0.05),
  bias: uniform(CLASSES, -0.1, 0.1),
};
const train = uniform(CLASSES * WIDTH, 0, 2);
const detector = findDetector('himplos:mask=50,clip=1.0');
const tensors = await runFit(detector, {
  head,
  totalRows: { train: CLASSES, calibration: 0 },
  openPass: async function* () {
    yield {
      rows: CLASSES,
      firstRow: 0,
      features: train,
      labels: Int32Array.from({ length: CLASSES }, (_, i) => i),
    };
  },
});
const features = uniform(ROWS * WIDTH, 0, 2);
const document = { method: detector.spec, threshold: { gamma: 0 }, missingClasses: [] };
await using scorer = await openRowScorer({ head, tensors, document } as unknown as LoadedDetector, 1);
const session = await InferenceSession.create(buildHeadModel({ head, detector, tensors, gamma: 0 }), {
  intraOpNumThreads: 1,
});
const input = new Tensor('float32', features, [ROWS, WIDTH]);
const timings = await timeInTurn(
  {
    'score from features': () => scorer.score(features, ROWS),
    'fused graph alone': () => session.run({ features: input }, ['score']),
  },
  15,
);
report('HIMPLoS at 2048 × 1000, batches of 256, one thread', timings, { count: ROWS, unit: 'rows' });
