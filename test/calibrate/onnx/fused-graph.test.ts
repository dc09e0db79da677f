import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { imageBatches } from '../../../calibrate/images/image-batches.ts';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { buildDetectorModel, buildHeadModel } from '../../../calibrate/onnx/fused-graph.ts';
import { readModel } from '../../../calibrate/onnx/read-model.ts';
import { openSource } from '../../../calibrate/sources/open-source.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import { findPreset } from '../../../shared/images/preprocessing-document.ts';
import type { Detector, Head, Scores } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import type { Tensors } from '../../../shared/tensor.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { fitDetector, scoreAll } from '../../shared/methods/fit-and-score.ts';
import type { LabelledFeatures } from '../../shared/methods/sample-problem.ts';
import { largestDifference, type OutputData, readFloats, runModel } from './run-model.ts';

const SPECS = [
  'himplos:mask=50,clip=1.0,smoothing=scale,score=energy',
  'himplos:mask=50,clip=p95,smoothing=enhance:20,score=msp',
  'energy',
  'msp',
  'maxlogit',
  'odin',
];

describe.skipIf(!hasRealData)(`a detector written into the CIFAR-10 graph (${needsData})`, () => {
  it.each(SPECS)('%s decides as our own scorer does, from features', async (spec) => {
    const { head } = findHead(await readModel(realData('cifar10/model.onnx')));
    const { detector, tensors, gamma } = await calibrate(spec, head);
    const model = buildHeadModel({ head, detector, tensors, gamma });
    for (const set of ['test', 'textures', 'mnist']) {
      const rows = features(set);
      const own = scoreAll(detector.prepare(head, tensors), head, rows);
      const outputs = await runModel(model, 'features', rows.features, [rows.rows, head.width]);
      expectSameDecisions(outputs, own, gamma);
    }
  });

  it('gives the answers of our own scorer from images', async () => {
    const model = await readModel(realData('cifar10/model.onnx'));
    const found = findHead(model);
    const { detector, tensors, gamma } = await calibrate(SPECS[0]!, found.head);
    const fused = buildDetectorModel({ model, found, detector, tensors, gamma });
    const { width } = found.head;
    const stored = features('test').features;
    const source = await openSource(realData('cifar10/test.tar.gz'));
    if (source.kind !== 'images') throw new Error('expected images');
    const options = { preprocessing: findPreset('cifar10')!, batch: 100, threads: 2 };
    for await (const { tensor, rows, firstRow, height, width: side } of imageBatches(source, options)) {
      const outputs = await runModel(fused, found.feed, tensor, [rows, 3, height, side]);
      const wanted = stored.subarray(firstRow * width, (firstRow + rows) * width);
      expect(largestDifference(outputs.features!, wanted)).toBeLessThan(1e-4);
      const tapped = { rows, features: outputs.features as Float32Array, labels: new Int32Array(rows) };
      expectSameDecisions(
        outputs,
        scoreAll(detector.prepare(found.head, tensors), found.head, tapped),
        gamma,
      );
      if (firstRow + rows >= 200) break;
    }
  });
});

async function calibrate(
  spec: string,
  head: Head,
): Promise<{ detector: Detector; tensors: Tensors; gamma: number }> {
  const detector = findDetector(spec);
  const calibration = features('calibration');
  const tensors = await fitDetector(detector, { head, train: features('train'), calibration });
  const { score } = scoreAll(detector.prepare(head, tensors), head, calibration);
  const sorted = Float64Array.from(score).sort();
  return { detector, tensors, gamma: (sorted[49]! + sorted[50]!) / 2 };
}

function expectSameDecisions(outputs: Record<string, OutputData>, own: Scores, gamma: number): void {
  const score = outputs.score as Float64Array;
  expect(score).toHaveLength(own.score.length);
  for (let row = 0; row < score.length; row++) {
    const wanted = own.score[row]!;
    expect(Math.abs(score[row]! - wanted)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(wanted)));
    expect(Boolean(outputs.is_ood![row])).toBe(wanted < gamma || own.flags[row] !== 0);
    expect(Number(outputs.predicted_class![row])).toBe(own.predicted[row]);
    if (outputs.cosine !== undefined) expect(outputs.cosine[row]).toBeCloseTo(own.cosine[row]!, 5);
  }
}

function features(set: string): LabelledFeatures {
  const { data, shape } = readFloats(realData('cifar10/features', `${set}.features.npy`));
  const rows = shape[0]!;
  const labels = ['train', 'calibration', 'test'].includes(set)
    ? decodeNpy(readFileSync(realData('cifar10/features', `${set}.labels.npy`)))
    : undefined;
  return {
    rows,
    features: data,
    labels: labels?.dtype === 'I64' ? Int32Array.from(labels.data, Number) : new Int32Array(rows).fill(-1),
  };
}
