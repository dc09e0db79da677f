import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cutAtHead } from '../../../calibrate/onnx/cut-at-head.ts';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { readModel } from '../../../calibrate/onnx/read-model.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { largestDifference, readFloats, runModel } from './run-model.ts';

const ZOO = [
  { name: 'densenet', width: 24, softmax: false },
  { name: 'mobilenetv2', width: 1280, softmax: false },
  { name: 'resnet_basic', width: 32, softmax: false },
  { name: 'vit', width: 32, softmax: false },
  { name: 'softmax_output', width: 32, softmax: true },
];

describe.skipIf(!hasRealData)(`models exported by PyTorch (${needsData})`, () => {
  it.each(ZOO)(
    'taps $name: features and logits as PyTorch computes them',
    async ({ name, width, softmax }) => {
      const model = await readModel(realData('zoo', `${name}.onnx`));
      const found = findHead(model);
      expect(found.head).toMatchObject({ width, classes: 10 });
      expect(found).toMatchObject({
        headKind: 'Gemm',
        softmaxOutput: softmax,
        exactLogits: true,
        fixedBatch: null,
      });
      expect(found.input).toEqual({ name: 'input', elementType: 'float32', shape: [null, 3, 32, 32] });

      const x = readFloats(realData('zoo', `${name}.x.npy`));
      const { features, logits } = await runModel(cutAtHead(model, found), found.feed, x.data, x.shape);
      expect(
        largestDifference(features!, readFloats(realData('zoo', `${name}.features.npy`)).data),
      ).toBeLessThan(1e-4);
      const wanted = readFloats(realData('zoo', `${name}.logits.npy`)).data;
      const got = softmax ? softmaxRows(logits as Float32Array, 10) : logits!;
      expect(largestDifference(got, wanted)).toBeLessThan(1e-4);
      expect(largestDifference(applyHead(found.head, features as Float32Array), logits!)).toBeLessThan(1e-4);
    },
  );

  it('finds the head of the CIFAR-10 DenseNet and reads its digest', async () => {
    const path = realData('cifar10/model.onnx');
    const model = await readModel(path);
    const { head, logits, headInput } = findHead(model);
    expect(head).toMatchObject({ width: 342, classes: 10 });
    expect([headInput, logits]).toEqual(['/Reshape_output_0', 'logits']);
    expect(model.digest).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
    expect(model).toMatchObject({ name: 'model.onnx', opset: 13, irVersion: 7 });
  });

  it('cuts the ImageNet MobileNetV2, whose own tensors are called features and logits', async () => {
    const model = await readModel(realData('imagenet/model.onnx'));
    const found = findHead(model);
    expect(found.head).toMatchObject({ width: 1280, classes: 1000 });
    expect([found.headInput, found.logits]).toEqual(['features', 'logits']);
    const pixels = Float32Array.from({ length: 2 * 3 * 224 * 224 }, (_, i) => Math.sin(i / 97));
    const { features, logits } = await runModel(
      cutAtHead(model, found),
      found.feed,
      pixels,
      [2, 3, 224, 224],
    );
    expect(features).toHaveLength(2 * 1280);
    expect(largestDifference(applyHead(found.head, features as Float32Array), logits!)).toBeLessThan(1e-4);
  });

  it('finds the same head when its input is named', async () => {
    const model = await readModel(realData('zoo/vit.onnx'));
    const searched = findHead(model);
    const named = findHead(model, { headInput: searched.headInput });
    expect(named).toMatchObject({ head: searched.head, logits: searched.logits, headKind: 'Gemm' });
  });

  it('writes the same bytes each time', async () => {
    const model = await readModel(realData('zoo/resnet_basic.onnx'));
    expect(cutAtHead(model, findHead(model))).toEqual(cutAtHead(model, findHead(model)));
  });
});

/** W·h + b for every row, the obvious way. */
function applyHead({ classes, width, weight, bias }: Head, features: Float32Array): Float64Array {
  const rows = features.length / width;
  const logits = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < classes; c++) {
      let sum = bias[c]!;
      for (let l = 0; l < width; l++) sum += weight[c * width + l]! * features[row * width + l]!;
      logits[row * classes + c] = sum;
    }
  }
  return logits;
}

function softmaxRows(logits: Float32Array, classes: number): Float64Array {
  const result = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes);
    const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
    for (let c = 0; c < classes; c++) result[start + c] = Math.exp(row[c]!) / sum;
  }
  return result;
}
