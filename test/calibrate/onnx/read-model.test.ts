import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, describe, expect, it } from 'vitest';
import { cutAtHead } from '../../../calibrate/onnx/cut-at-head.ts';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { StringStringEntryProtoSchema, TensorProto_DataLocation } from '../../../calibrate/onnx/onnx_pb.ts';
import { makeNode } from '../../../calibrate/onnx/proto-parts.ts';
import { readModel } from '../../../calibrate/onnx/read-model.ts';
import { encodeModel, floats, normals, smallModel } from './build-model.ts';
import { runModel } from './run-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'himplos-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WEIGHTS = normals(12, 1);
const weightBytes = new Uint8Array(WEIGHTS.buffer);

/** A model whose weights lie in another file, described by `entries`. */
function externalModel(entries: Record<string, string>): Uint8Array {
  const weights = floats('w', [3, 4], []);
  weights.dataLocation = TensorProto_DataLocation.EXTERNAL;
  weights.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  const nodes = [makeNode('Gemm', ['x', 'w'], ['y'], { transB: 1 })];
  return encodeModel(smallModel({ input: ['N', 4], outputs: ['y'], nodes, initializers: [weights] }));
}

function write(name: string, ...parts: Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

describe('external data', () => {
  it('is read, digested with the model and written into the cut graph', async () => {
    mkdirSync(join(folder, 'weights'), { recursive: true });
    const data = Buffer.concat([new Uint8Array(16), weightBytes]);
    write('weights/all.bin', data);
    const bytes = externalModel({ location: 'weights/all.bin', offset: '16', length: '48' });
    const model = await readModel(write('external.onnx', bytes));
    expect(model.digest).toBe(createHash('sha256').update(bytes).update(data).digest('hex'));
    const found = findHead(model);
    expect(found.head.weight).toEqual(WEIGHTS);
    const { logits } = await runModel(cutAtHead(model, found), 'x', Float32Array.of(1, 0, 0, 0), [1, 4]);
    expect(logits).toEqual(Float32Array.of(WEIGHTS[0]!, WEIGHTS[4]!, WEIGHTS[8]!));
  });

  it.each([
    '../outside.bin',
    'weights/../../outside.bin',
    '/etc/hostname',
    'C:\\weights.bin',
    '\\\\server\\weights.bin',
    '..\\outside.bin',
    '.',
    '',
  ])('is refused at %j, outside the folder', async (location) => {
    write('escape.onnx', externalModel({ location }));
    await expect(readModel(join(folder, 'escape.onnx'))).rejects.toMatchObject({
      code: 'bad-model',
      message: expect.stringContaining("inside the model's folder"),
    });
  });

  it('is refused behind a link, to a file or to a folder', async () => {
    write('real.bin', weightBytes);
    symlinkSync(join(folder, 'real.bin'), join(folder, 'link.bin'));
    symlinkSync(tmpdir(), join(folder, 'linked'));
    for (const location of ['link.bin', `linked/real.bin`]) {
      write('link.onnx', externalModel({ location }));
      await expect(readModel(join(folder, 'link.onnx'))).rejects.toMatchObject({
        code: 'bad-model',
        message: expect.stringContaining('got a link'),
      });
    }
  });

  it.each([
    [{ location: 'short.bin' }, /bytes 0 to 48 lie outside the file's 40 bytes/],
    [{ location: 'short.bin', length: '40' }, /expected 48 bytes for its shape and type, got a length of 40/],
    [{ location: 'short.bin', offset: '-8' }, /expected a number as offset/],
    [{ location: 'short.bin', offset: '999999999999999' }, /lie outside the file/],
    [{ location: 'absent.bin' }, /no such file in the model's folder/],
    [{ offset: '0' }, /without a location/],
  ])('is refused when it says %j', async (entries, message) => {
    write('short.bin', weightBytes.subarray(0, 40));
    write('wrong.onnx', externalModel(entries as Record<string, string>));
    await expect(readModel(join(folder, 'wrong.onnx'))).rejects.toMatchObject({
      code: 'bad-model',
      message: expect.stringMatching(message),
    });
  });
});

describe('files that are no models', () => {
  it.each([
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:0', /git lfs pull/],
    ['a PyTorch checkpoint', 'PK\x03\x04 and so on', /torch\.onnx\.export/],
    ['a web page', '<!doctype html><title>Not found</title>', /web page/],
    ['nothing at all', '', /cut short/],
    ['plain text', 'hello, world', /cut short/],
  ])('%s: the hint says so', async (_name, text, hint) => {
    const path = write('other.onnx', Buffer.from(text, 'latin1'));
    await expect(readModel(path)).rejects.toMatchObject({
      code: 'bad-model',
      message: expect.stringContaining('expected an ONNX model'),
      hint: expect.stringMatching(hint),
    });
  });

  it('an absent file is not found, a folder is bad input', async () => {
    await expect(readModel(join(folder, 'absent.onnx'))).rejects.toMatchObject({ code: 'not-found' });
    await expect(readModel(folder)).rejects.toMatchObject({ code: 'bad-input' });
  });
});
