import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeNpy } from '../../../shared/formats/npy.ts';
import { encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { f32, f64, type Tensor, u8 } from '../../../shared/tensor.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { listRows, openFeatures } from './read-source.ts';
import { temporaryFolder } from './temporary-folder.ts';

const rows = [
  [1, 2, 3],
  [4, 5, 6],
  [7, 8, 0.1],
  [10, 11, 12],
];
const values = rows.flat();
const floats = f32(Float32Array.from(values), 4, 3);
const i64 = (...labels: number[]): Tensor => ({
  dtype: 'I64',
  data: BigInt64Array.from(labels, BigInt),
  shape: [labels.length],
});

/** `features.npy:labels.npy` of these tensors. */
async function npyPair(features: Tensor, labels?: Tensor): Promise<string> {
  const folder = await temporaryFolder({
    'f.npy': encodeNpy(features),
    ...(labels === undefined ? {} : { 'l.npy': encodeNpy(labels) }),
  });
  return join(folder, 'f.npy') + (labels === undefined ? '' : `:${join(folder, 'l.npy')}`);
}

async function safetensors(tensors: Record<string, Tensor>): Promise<string> {
  return join(await temporaryFolder({ 'x.safetensors': encodeSafetensors(tensors) }), 'x.safetensors');
}

const rounded = rows.map((row) => row.map(Math.fround));

describe('features in files', () => {
  it.each([1, 3, 4, 100])('come in order, %i rows at a time', async (limit) => {
    for (const address of [
      await npyPair(floats),
      await npyPair(f64(Float64Array.from(values), 4, 3)),
      await safetensors({ features: floats, other: u8(new Uint8Array(5), 5) }),
    ]) {
      const source = await openFeatures(address);
      expect(source).toMatchObject({ rows: 4, width: 3, labels: undefined });
      expect(await listRows(source, limit)).toEqual(rounded);
      expect(await listRows(source, limit)).toEqual(rounded); // once more
    }
  });

  it('come with labels of any whole-number type', async () => {
    for (const labels of [
      i64(0, 5, -1, 2),
      { dtype: 'I32', data: Int32Array.of(0, 5, -1, 2), shape: [4] } as Tensor,
    ]) {
      expect((await openFeatures(await npyPair(floats, labels))).labels).toEqual(Int32Array.of(0, 5, -1, 2));
      expect((await openFeatures(await safetensors({ features: floats, labels }))).labels?.[1]).toBe(5);
    }
    expect((await openFeatures(await npyPair(floats, u8(Uint8Array.of(0, 5, 1, 2), 4)))).labels?.[1]).toBe(5);
  });

  it.each([NaN, Infinity, -Infinity])('with %d are refused by row and feature', async (value) => {
    const data = Float32Array.from(values);
    data[7] = value;
    const error = await rejectionOf(listRows(await openFeatures(await npyPair(f32(data, 4, 3))), 2));
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('row 2, channel 1') });
  });

  it('beyond float32 are refused', async () => {
    const data = Float64Array.from(values);
    data[3] = 1e300;
    const error = await rejectionOf(listRows(await openFeatures(await npyPair(f64(data, 4, 3))), 9));
    expect(error.message).toContain('row 1, channel 0');
  });

  it.each([
    ['one dimension', f32(new Float32Array(3), 3), undefined, '[rows, width]'],
    ['no rows', f32(new Float32Array(0), 0, 3), undefined, '[rows, width]'],
    ['whole numbers', i64(1, 2, 3, 4), undefined, '[rows, width]'],
    ['bytes', u8(new Uint8Array(12), 4, 3), undefined, 'float32 or float64, got U8'],
    ['too few labels', floats, i64(1, 2, 3), 'expected [4]'],
    ['labels in two dimensions', floats, { ...i64(1, 2, 3, 4), shape: [4, 1] } as Tensor, 'expected [4]'],
    ['fractional labels', floats, f32(new Float32Array(4), 4), 'int64, int32 or uint8'],
    ['a label below −1', floats, i64(0, 1, -2, 3), 'row 2'],
    ['a label over 32 bits', floats, i64(0, 1, 2 ** 40, 3), 'row 2'],
  ])('of %s are refused', async (_, features, labels, message) => {
    const error = await rejectionOf(openFeatures(await npyPair(features, labels)));
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining(message) });
    expect(error.hint).toBeDefined();
  });

  it('in Fortran order, of another dtype, cut off or too long are refused by file', async () => {
    const bytes = encodeNpy(floats);
    const replaced = (from: string, to: string) =>
      Buffer.from(Buffer.from(bytes).toString('latin1').replace(from, to), 'latin1');
    for (const [content, code, message] of [
      [replaced("'fortran_order': False", "'fortran_order': True "), 'unsupported', 'Fortran order'],
      [replaced('<f4', '<f2'), 'unsupported', '<f2'],
      [replaced('<f4', '>f4'), 'unsupported', '>f4'],
      [bytes.subarray(0, -1), 'bad-input', 'expected'],
      [Buffer.concat([bytes, Buffer.alloc(1)]), 'bad-input', 'expected'],
      [bytes.subarray(0, 20), 'bad-input', 'header'],
      [Buffer.from('not an array'), 'bad-input', 'not a readable .npy'],
    ] as const) {
      const folder = await temporaryFolder({ 'f.npy': content });
      const error = await rejectionOf(openFeatures(join(folder, 'f.npy')));
      expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
      expect(error.message).toContain('f.npy');
      expect(error.hint).toBeDefined();
    }
  });

  it('are missed by name in a safetensors file', async () => {
    const error = await rejectionOf(openFeatures(await safetensors({ embeddings: floats })));
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('got embeddings') });
    const folder = await temporaryFolder({ 'x.safetensors': 'nonsense' });
    const broken = await rejectionOf(openFeatures(join(folder, 'x.safetensors')));
    expect(broken).toMatchObject({ code: 'bad-input', message: expect.stringContaining('x.safetensors') });
  });

  it('are noticed when the file shrinks while it is read', async () => {
    const address = await npyPair(floats);
    const source = await openFeatures(address);
    await writeFile(address, encodeNpy(floats).subarray(0, -12));
    const error = await rejectionOf(listRows(source, 2));
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('inside the array') });
  });

  it('stop when the signal says so', async () => {
    const controller = new AbortController();
    const source = await openFeatures(await npyPair(floats), { signal: controller.signal });
    const error = await rejectionOf(
      (async () => {
        for await (const _ of source.batches(1)) controller.abort();
      })(),
    );
    expect(error.code).toBe('interrupted');
  });
});

describe.skipIf(!hasRealData)(`benchmark features (${needsData})`, () => {
  it('are read with their labels', async () => {
    const features = realData('cifar10/features/test.features.npy');
    const source = await openFeatures(`${features}:${realData('cifar10/features/test.labels.npy')}`);
    expect(source).toMatchObject({ rows: 2000, width: 342 });
    expect(new Set(source.labels).size).toBe(10);
    let rowsSeen = 0;
    for await (const batch of source.batches(256)) rowsSeen += batch.rows;
    expect(rowsSeen).toBe(2000);
  });
});
