import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { classNames, drawKnown } from '../../demo/drawing/data-set.ts';
import { PICTURE_SIDE, type Picture } from '../../demo/drawing/painter.ts';

const path = new URL('../../demo/model.onnx', import.meta.url);

describe("the demo's classifier", () => {
  let bytes: Uint8Array;
  let session: InferenceSession;

  beforeAll(async () => {
    bytes = await readFile(path);
    session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  });

  it('is a small file with one output', () => {
    expect(bytes.length).toBeLessThanOrEqual(500_000);
    expect(session.outputNames).toEqual(['logits']);
  });

  it('classifies at least 97 % of pictures that it has not seen', async () => {
    const perClass = 40;
    const pictures = [...drawKnown('test', perClass)].map(({ picture }) => picture);
    let correct = 0;
    for (const expected of classNames.keys()) {
      const ofClass = pictures.slice(expected * perClass, (expected + 1) * perClass);
      correct += (await classify(session, ofClass)).filter((label) => label === expected).length;
    }
    expect(correct / pictures.length).toBeGreaterThanOrEqual(0.97);
  });
});

/** The index of the largest logit of each picture. */
async function classify(session: InferenceSession, pictures: readonly Picture[]): Promise<readonly number[]> {
  const area = PICTURE_SIDE * PICTURE_SIDE;
  const input = new Float32Array(pictures.length * 3 * area);
  for (const [n, picture] of pictures.entries()) {
    for (let i = 0; i < picture.length; i++) {
      input[(n * 3 + (i % 3)) * area + Math.floor(i / 3)] = (picture[i]! / 255 - 0.5) / 0.25;
    }
  }
  const dimensions = [pictures.length, 3, PICTURE_SIDE, PICTURE_SIDE];
  const output = await session.run({ [session.inputNames[0]!]: new Tensor('float32', input, dimensions) });
  const logits = output.logits!.data as Float32Array;
  expect(output.logits!.dims).toEqual([pictures.length, classNames.length]);
  return pictures.map((_, n) => {
    const row = logits.subarray(n * classNames.length, (n + 1) * classNames.length);
    return row.indexOf(Math.max(...row));
  });
}
