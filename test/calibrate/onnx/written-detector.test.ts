import { fromBinary } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildFeaturesModel } from '../../../calibrate/onnx/cut-at-head.ts';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { buildDetectorModel, buildHeadModel } from '../../../calibrate/onnx/fused-graph.ts';
import { type ModelProto, ModelProtoSchema, type NodeProto } from '../../../calibrate/onnx/onnx_pb.ts';
import { makeNode as node } from '../../../calibrate/onnx/proto-parts.ts';
import type { OnnxModel } from '../../../calibrate/onnx/read-model.ts';
import type { Detector } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import type { Tensors } from '../../../shared/tensor.ts';
import { fitDetector, scoreAll } from '../../shared/methods/fit-and-score.ts';
import { makeProblem } from '../../shared/methods/sample-problem.ts';
import { floats, type SmallGraph, smallModel } from './build-model.ts';
import { type OutputData, runModel } from './run-model.ts';

const problem = makeProblem();
const { head, id, ood } = problem;
const detector = findDetector('himplos:mask=50,clip=1.5');
const GAMMA = 3;
let tensors: Tensors;
beforeAll(async () => {
  tensors = await fitDetector(detector, problem);
});

/** The problem's head behind some nodes from `x` to `h`. */
function classifier(
  graph: Partial<SmallGraph> = {},
  front: readonly NodeProto[] = [node('Relu', ['x'], ['h'])],
): OnnxModel {
  return smallModel({
    input: ['N', head.width],
    outputs: ['y'],
    initializers: [
      floats('w', [head.classes, head.width], head.weight),
      floats('b', [head.classes], head.bias),
    ],
    ...graph,
    nodes: [...front, node('Gemm', ['h', 'w', 'b'], ['y'], { transB: 1 })],
  });
}

function fuse(model: OnnxModel, metadata: Record<string, string> = {}): Uint8Array {
  return buildDetectorModel({ model, found: findHead(model), detector, tensors, gamma: GAMMA, metadata });
}

function parse(bytes: Uint8Array): ModelProto {
  return fromBinary(ModelProtoSchema, bytes);
}

function opsetOf({ opsetImport }: ModelProto): number {
  return Number(opsetImport.find(({ domain }) => domain === '')?.version);
}

describe('a detector behind a graph of the user', () => {
  it.each([7, 8, 9, 11, 13, 15, 17, 18, 20, 21])('decides as our scorer does at opset %i', async (opset) => {
    const bytes = fuse(classifier({ opset }));
    expect(opsetOf(parse(bytes))).toBe(Math.max(9, opset));
    for (const rows of [id, ood]) {
      const own = scoreAll(detector.prepare(head, tensors), head, rows);
      const outputs = await runModel(bytes, 'x', rows.features, [rows.rows, head.width]);
      expect(outputs.features).toEqual(rows.features);
      own.score.forEach((score, row) => {
        expect(Math.abs((outputs.score![row] as number) - score)).toBeLessThanOrEqual(
          1e-5 * Math.max(1, Math.abs(score)),
        );
        expect(Boolean(outputs.is_ood![row])).toBe(score < GAMMA || own.flags[row] !== 0);
        expect(outputs.predicted_class![row]).toBe(BigInt(own.predicted[row]!));
        expect(outputs.cosine![row]).toBeCloseTo(own.cosine[row]!, 5);
      });
    }
  });

  it('declares its outputs with their types', () => {
    const { graph } = parse(fuse(classifier()));
    const declared = graph!.output.map(({ name, type }) => {
      const tensor = type!.value.case === 'tensorType' ? type!.value.value : undefined;
      return [name, tensor!.elemType, ...tensor!.shape!.dim.map(({ value }) => String(value.value))];
    });
    expect(declared).toEqual([
      ['logits', 1, 'N', '6'],
      ['predicted_class', 7, 'N'],
      ['score', 11, 'N'],
      ['is_ood', 9, 'N'],
      ['cosine', 1, 'N'],
      ['features', 1, 'N', '24'],
    ]);
  });

  it('stores the head once, for the logits and for the detector', () => {
    const { graph } = parse(fuse(classifier()));
    const bytes = head.weight.byteLength;
    const asLarge = graph!.initializer.filter(
      ({ rawData, dims }) => rawData.length === bytes && dims[0] === 6n,
    );
    expect(asLarge.map(({ name }) => name)).toEqual(['w', expect.stringMatching(/^himplos\//)]); // and the prototypes
  });

  it('has the same bytes each time and carries the metadata, in order, with the user’s own', () => {
    const model = classifier();
    const metadata = { 'himplos.method': detector.spec, 'himplos.gamma': '3' };
    const bytes = fuse(model, metadata);
    expect(fuse(model, metadata)).toEqual(bytes);
    const { metadataProps } = parse(bytes);
    expect(metadataProps.map(({ key, value }) => [key, value])).toEqual([
      ['himplos.gamma', '3'],
      ['himplos.method', detector.spec],
    ]);
  });

  it('leaves the model it was given as it was', () => {
    const model = classifier();
    const before = parse(fuse(model));
    const graph = structuredClone(model.proto.graph!.node.map(({ input, output }) => [input, output]));
    fuse(model);
    expect(model.proto.graph!.node.map(({ input, output }) => [input, output])).toEqual(graph);
    expect(parse(fuse(model))).toEqual(before);
  });
});

describe('raising the opset', () => {
  it('is refused where it would change what a node means', () => {
    const model = classifier({ opset: 8 }, [
      node('BatchNormalization', ['x', 's', 's', 's', 's'], ['h'], { spatial: 0 }),
    ]);
    expect(() => fuse(model)).toThrow(
      expect.objectContaining({
        code: 'unsupported',
        message: expect.stringMatching(/opset 9.*BatchNormalization "himplos\/h"/),
      }),
    );
  });

  it('looks at nodes inside If, Loop and Scan as well', () => {
    const model = classifier({ opset: 8 }, [node('If', ['x'], ['h'], { then_branch: 0 })]);
    const inner = smallModel({
      input: [1],
      outputs: ['u'],
      nodes: [node('Upsample', ['x'], ['u'])],
      initializers: [],
    }).proto.graph!;
    model.proto.graph!.node[0]!.attribute[0]!.g = inner;
    expect(() => fuse(model)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/Upsample/) }),
    );
  });
});

describe('decisions at the edges', () => {
  const run = async (
    rows: readonly number[],
    method: Detector,
    parts: Tensors,
  ): Promise<Record<string, OutputData>> => {
    const model = buildHeadModel({ head, detector: method, tensors: parts, gamma: -1e9 });
    return runModel(model, 'features', Float32Array.from(rows), [rows.length / head.width, head.width]);
  };

  it('a zero feature and a feature that is not a number are out-of-distribution whatever γ is', async () => {
    const rows = [...new Array(head.width).fill(0), ...new Array(head.width).fill(Number.NaN)];
    expect([...(await run(rows, detector, tensors)).is_ood!]).toEqual([1, 1]);
  });

  it('a class without a prototype is out-of-distribution', async () => {
    const prototypes = tensors.prototypes!.data as Float32Array;
    const without = {
      ...tensors,
      prototypes: { ...tensors.prototypes!, data: prototypes.map(() => 0) },
    } as Tensors;
    const row = id.features.subarray(0, head.width);
    expect([...(await run([...row], detector, without)).is_ood!]).toEqual([1]);
    expect([...(await run([...row], detector, tensors)).is_ood!]).toEqual([0]);
  });

  it('a class that a method without a cosine refuses is out-of-distribution', async () => {
    const she = findDetector('she');
    const fitted = await fitDetector(she, problem);
    const missing = scoreAll(she.prepare(head, fitted), head, id).predicted[0]!;
    const patterns = (fitted.patterns!.data as Float64Array).slice();
    patterns.fill(0, missing * head.width, (missing + 1) * head.width);
    const without = { patterns: { ...fitted.patterns!, data: patterns } } as Tensors;
    const row = [...id.features.subarray(0, head.width)];
    expect([...(await run(row, she, without)).is_ood!]).toEqual([1]);
    expect([...(await run(row, she, fitted)).is_ood!]).toEqual([0]);
  });

  it('equal logits are predicted as the lowest class', async () => {
    const even = {
      ...head,
      weight: new Float32Array(head.weight.length),
      bias: new Float32Array(head.classes),
    };
    const energy = findDetector('energy');
    const model = buildHeadModel({ head: even, detector: energy, tensors: {}, gamma: 0 });
    const { predicted_class, score, ...others } = await runModel(
      model,
      'features',
      new Float32Array(head.width),
      [1, head.width],
    );
    expect(predicted_class).toEqual(BigInt64Array.of(0n));
    expect(score![0]).toBeCloseTo(Math.log(head.classes), 12);
    expect(Object.keys(others).sort()).toEqual(['is_ood', 'logits']);
  });
});

describe('a method without a closed graph', () => {
  const { graph: _, ...bank } = detector;

  it('is refused', () => {
    const model = classifier();
    expect(() =>
      buildDetectorModel({ model, found: findHead(model), detector: bank, tensors, gamma: 0 }),
    ).toThrow(expect.objectContaining({ code: 'unsupported' }));
  });

  it('gets the features model instead', async () => {
    const model = classifier();
    const bytes = buildFeaturesModel(model, findHead(model), { 'himplos.method': 'knn' });
    const outputs = await runModel(bytes, 'x', id.features, [id.rows, head.width]);
    expect(Object.keys(outputs)).toEqual(['features']);
    expect(outputs.features).toEqual(id.features);
    expect(parse(bytes).metadataProps).toMatchObject([{ key: 'himplos.method', value: 'knn' }]);
  });
});
