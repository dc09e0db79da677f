import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as web from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { imageBatches } from '../../../calibrate/images/image-batches.ts';
import { buildHeadModel } from '../../../calibrate/onnx/fused-graph.ts';
import { openSource } from '../../../calibrate/sources/open-source.ts';
import { methods } from '../../../shared/methods/registry.ts';
import { fitDetector, scoreAll } from '../../shared/methods/fit-and-score.ts';
import { makeProblem } from '../../shared/methods/sample-problem.ts';
import { calibrateDemoDetector } from '../demo-detector.ts';
import { newFolder } from '../run-command.ts';
import { type OutputData, runModel } from './run-model.ts';

web.env.wasm.numThreads = 1; // threads would need workers of its own

describe('detectors in the browser’s onnxruntime (WebAssembly) beside onnxruntime-node', () => {
  it('detector.onnx of the demo decides alike, on known and unknown pictures', async () => {
    const { detector, test, unknown } = await calibrateDemoDetector(newFolder());
    const model = new Uint8Array(readFileSync(join(detector, 'detector.onnx')));
    const preprocessing = {
      resize: null,
      crop: null,
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.25, 0.25],
    } as const;
    let [accepted, refused] = [0, 0];
    for (const folder of [test, unknown]) {
      const source = await openSource(folder);
      if (source.kind !== 'images') throw new Error(`expected images in ${folder}`);
      const options = { preprocessing, batch: 40, threads: 1 };
      for await (const { tensor, rows, height, width } of imageBatches(source, options)) {
        const dims = [rows, 3, height, width];
        const outputs = await expectAlike(model, 'input', tensor.slice(), dims);
        for (const isOod of outputs.is_ood!) isOod ? refused++ : accepted++;
      }
    }
    expect(accepted).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(20);
  });

  const detectors = methods.map((method) => method.bind({}));
  const withGraph = detectors.filter(({ graph }) => graph !== undefined);

  it('is looked at for the methods that are sure to have a graph', () => {
    const ids = withGraph.map(({ spec }) => spec.split(':')[0]);
    expect(ids).toEqual(expect.arrayContaining(['himplos', 'energy', 'msp', 'maxlogit', 'odin']));
  });

  it.each(withGraph)('$spec decides alike from features', async (detector) => {
    const problem = makeProblem();
    const { head } = problem;
    const tensors = await fitDetector(detector, problem);
    const { score } = scoreAll(detector.prepare(head, tensors), head, problem.id);
    const sorted = score.toSorted();
    const gamma = (sorted[19]! + sorted[20]!) / 2;
    const model = buildHeadModel({ head, detector, tensors, gamma });
    for (const { features, rows } of [problem.id, problem.ood]) {
      await expectAlike(model, 'features', features, [rows, head.width]);
    }
  });
});

/** Runs a graph in both; throws unless decisions are the same and numbers within 1e-5. */
async function expectAlike(
  model: Uint8Array,
  input: string,
  data: Float32Array,
  dims: readonly number[],
): Promise<Record<string, OutputData>> {
  const expected = await runModel(model, input, data, dims);
  const session = await web.InferenceSession.create(model, { executionProviders: ['wasm'] });
  const outputs = await session.run({ [input]: new web.Tensor('float32', data, dims) });
  await session.release();
  expect(Object.keys(outputs).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, wanted] of Object.entries(expected)) {
    const found = outputs[name]!.data as OutputData;
    expect(found.length).toBe(wanted.length);
    if (name === 'is_ood' || name === 'predicted_class') {
      expect(Array.from(found, Number)).toEqual(Array.from(wanted, Number));
      continue;
    }
    for (let i = 0; i < wanted.length; i++) {
      const [a, b] = [Number(found[i]), Number(wanted[i])];
      if (!(Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b)))) throw new Error(`${name}[${i}]: ${a}, ${b}`);
    }
  }
  return expected;
}
