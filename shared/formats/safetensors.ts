import { HimplosError } from '../errors.ts';
import type { Tensor, Tensors } from '../tensor.ts';
import { countBytes, type DType, tensorBytes, viewTensor } from './element-types.ts';
import { malformedSafetensors, readSafetensorsHeader } from './safetensors-header.ts';

/** Where one tensor lies in a safetensors file. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** First byte and the byte after the last, counted from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

/** The head of a safetensors file. */
export interface SafetensorsHeader {
  /** In the order of the file. */
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the data begins. */
  readonly dataOffset: number;
}

/** A header longer than this is refused (the reference implementation stops at 100 MB; ours are below 2 MB). */
export const MAX_SAFETENSORS_HEADER_BYTES = 8 * 1024 * 1024;

/** Element types by falling alignment, in the reference implementation's order. */
const ORDER: readonly DType[] = ['I64', 'F64', 'F32', 'I32', 'U8'];

/**
 * Where the data of a file of `fileBytes` begins, from its first 8 bytes: what a streaming reader has to read
 * before it can call {@link parseSafetensorsHeader}. Throws `bad-input`, or `too-large` above the bound.
 */
export function safetensorsDataOffset(bytes: Uint8Array, fileBytes: number): number {
  if (bytes.length < 8) throw malformedSafetensors(`expected at least 8 bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  const dataOffset = 8 + headerBytes;
  if (dataOffset > fileBytes) {
    throw malformedSafetensors(`its header would end at byte ${dataOffset}, but it has ${fileBytes} bytes`);
  }
  if (headerBytes > MAX_SAFETENSORS_HEADER_BYTES) {
    throw new HimplosError(
      'too-large',
      `safetensors header: expected at most ${MAX_SAFETENSORS_HEADER_BYTES} bytes, got ${headerBytes}`,
      { hint: 'store fewer tensors in one file' },
    );
  }
  return dataOffset;
}

/**
 * Reads the header from the first bytes of a file of `fileBytes` (the whole file, or at least up to its
 * `safetensorsDataOffset`). Refuses whatever the reference implementation would not write: duplicate keys,
 * unknown fields, gaps, overlaps, data that is not covered exactly. Throws `bad-input`, `too-large`, or
 * `unsupported` for an element type this project does not read.
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileBytes = bytes.length): SafetensorsHeader {
  const dataOffset = safetensorsDataOffset(bytes, fileBytes);
  if (bytes.length < dataOffset) throw malformedSafetensors('the bytes end inside the header');
  return { ...readSafetensorsHeader(bytes.subarray(8, dataOffset), dataOffset, fileBytes), dataOffset };
}

/**
 * Reads a whole file. Tensors are views on `bytes` where alignment allows, otherwise copies; nothing is allocated
 * before the header has been checked against the file's length. Throws as {@link parseSafetensorsHeader}.
 */
export function decodeSafetensors(bytes: Uint8Array): {
  readonly tensors: Tensors;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const { entries, metadata } = parseSafetensorsHeader(bytes);
  return { tensors: viewTensors(bytes, entries), metadata };
}

/** The tensors of a whole file whose header has been read: views on `bytes` where alignment allows, otherwise copies. */
export function viewTensors(bytes: Uint8Array, entries: readonly SafetensorsEntry[]): Tensors {
  const tensors = entries.map(({ name, dtype, shape, begin, end }): [string, Tensor] => [
    name,
    viewTensor(dtype, shape, bytes.subarray(begin, end)),
  ]);
  return Object.fromEntries(tensors);
}

/**
 * A whole file. The same tensors and metadata give the same bytes, whatever the order of their keys. Throws
 * `bad-input` when a tensor's data does not have its shape's length, or a name is `__metadata__`.
 */
export function encodeSafetensors(
  tensors: Tensors,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, names } = encodeSafetensorsHeader(tensors, metadata);
  const parts = names.map((name) => tensorBytes(tensors[name]!, name));
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, header.length));
  bytes.set(header);
  let at = header.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * The first bytes of a file, up to its data, and the names in the order their data must follow: widest elements
 * first, then by name, so that every tensor is aligned (the header is padded with spaces to a multiple of 8
 * bytes). Byte for byte what the reference implementation writes, where there is at most one metadata key (it
 * keeps several in no fixed order). For writers that stream; throws as {@link encodeSafetensors}.
 */
export function encodeSafetensorsHeader(
  tensors: Readonly<Record<string, { readonly dtype: DType; readonly shape: readonly number[] }>>,
  metadata: Readonly<Record<string, string>> = {},
): { readonly header: Uint8Array; readonly names: readonly string[] } {
  const names = Object.keys(tensors).sort((a, b) => {
    const byType = ORDER.indexOf(tensors[a]!.dtype) - ORDER.indexOf(tensors[b]!.dtype);
    return byType || (a < b ? -1 : 1);
  });
  const members: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) members.push(`"__metadata__":${JSON.stringify(metadata, keys)}`);
  let begin = 0;
  for (const name of names) {
    const { dtype, shape } = tensors[name]!;
    const bytes = countTensorBytes(name, dtype, shape);
    const end = begin + bytes;
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return { header, names };
}

function countTensorBytes(name: string, dtype: DType, shape: readonly number[]): number {
  const bytes = name === '__metadata__' ? undefined : countBytes(dtype, shape);
  if (bytes === undefined) {
    throw new HimplosError(
      'bad-input',
      `safetensors: cannot write a tensor ${JSON.stringify(name)} [${shape}]`,
      {
        hint: 'dimensions are whole numbers from 0, and __metadata__ is not a name',
      },
    );
  }
  return bytes;
}
