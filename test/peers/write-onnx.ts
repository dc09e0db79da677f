/**
 * Writes what check_onnx.py and check_onnx_debian.py read into the folder given: for each case NAME.onnx, its input
 * NAME.x.npy and what onnxruntime-node makes of it, NAME.OUTPUT.npy. Seeded; the real models are cases too where the
 * benchmark data is at hand.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { buildFeaturesModel, cutAtHead } from '../../calibrate/onnx/cut-at-head.ts';
import { findHead } from '../../calibrate/onnx/find-head.ts';
import { buildDetectorModel, buildHeadModel } from '../../calibrate/onnx/fused-graph.ts';
import { makeNode } from '../../calibrate/onnx/proto-parts.ts';
import { readModel } from '../../calibrate/onnx/read-model.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import { findDetector, methods } from '../../shared/methods/registry.ts';
import { f32, f64, type Tensor, u8 } from '../../shared/tensor.ts';
import { floats, smallModel } from '../calibrate/onnx/build-model.ts';
import { readFloats } from '../calibrate/onnx/run-model.ts';
import { hasRealData, realData } from '../real-data.ts';
import { fitDetector } from '../shared/methods/fit-and-score.ts';
import { makeProblem } from '../shared/methods/sample-problem.ts';

const folder = process.argv[2]!;
const problem = makeProblem();
const { head, id } = problem;
const { classes, width } = head;
const x = { data: id.features, shape: [id.rows, width] };

for (const spec of [
  ...methods.map((method) => method.id),
  'himplos:clip=1.5,smoothing=enhance:20,score=msp',
]) {
  const detector = findDetector(spec);
  if (detector.graph === undefined) continue;
  const tensors = await fitDetector(detector, problem);
  const parts = { detector, tensors, gamma: 2.5, metadata: { 'himplos.method': detector.spec } };
  const name = spec.replaceAll(/[^a-z0-9]+/gi, '-');
  await write(`${name}.head`, buildHeadModel({ head, ...parts }), 'features', x);
  for (const opset of [9, 13, 17]) {
    const model = smallModel({
      input: ['N', width],
      outputs: ['y'],
      opset,
      nodes: [makeNode('Relu', ['x'], ['h']), makeNode('Gemm', ['h', 'w', 'b'], ['y'], { transB: 1 })],
      initializers: [floats('w', [classes, width], head.weight), floats('b', [classes], head.bias)],
    });
    const found = findHead(model);
    await write(`${name}.opset${opset}`, buildDetectorModel({ model, found, ...parts }), 'x', x);
  }
}

if (hasRealData) {
  for (const name of ['densenet', 'mobilenetv2', 'resnet_basic', 'vit', 'softmax_output']) {
    const model = await readModel(realData('zoo', `${name}.onnx`));
    const found = findHead(model);
    const images = readFloats(realData('zoo', `${name}.x.npy`));
    const parts = { detector: findDetector('energy'), tensors: {}, gamma: 2.3 };
    await write(`${name}.cut`, cutAtHead(model, found), found.feed, images);
    await write(`${name}.features`, buildFeaturesModel(model, found, {}), found.feed, images);
    await write(`${name}.fused`, buildDetectorModel({ model, found, ...parts }), found.feed, images);
  }
}

async function write(
  name: string,
  model: Uint8Array,
  input: string,
  { data, shape }: { readonly data: Float32Array; readonly shape: readonly number[] },
): Promise<void> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const results = await session.run({ [input]: new OrtTensor('float32', data, shape) });
  await session.release();
  writeFileSync(join(folder, `${name}.onnx`), model);
  writeFileSync(join(folder, `${name}.x.npy`), encodeNpy(f32(data, ...shape)));
  for (const [output, { data: values, dims }] of Object.entries(results)) {
    writeFileSync(join(folder, `${name}.${output}.npy`), encodeNpy(asTensor(values, dims)));
  }
}

function asTensor(values: unknown, shape: readonly number[]): Tensor {
  if (values instanceof Float32Array) return f32(values, ...shape);
  if (values instanceof Float64Array) return f64(values, ...shape);
  if (values instanceof BigInt64Array) return { dtype: 'I64', data: values, shape };
  return u8(Uint8Array.from(values as Uint8Array), ...shape);
}
