import { badModel } from './bad-model.ts';

/** Wire types of the protobuf encoding: https://protobuf.dev/programming-guides/encoding/ */
export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;

/** One field of a protobuf message: its tag begins at `at`, its data (after a length) are [start, end). */
export interface WireField {
  readonly number: number;
  readonly wireType: number;
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** The field whose tag begins at `at`. Throws `bad-model` when it is malformed or goes beyond `end`. */
export function readField(bytes: Uint8Array, at: number, end: number): WireField {
  const tag = readVarint(bytes, at, end);
  let start = next;
  const number = Math.floor(tag / 8);
  const wireType = tag % 8;
  if (number === 0) throw malformed();
  let dataEnd: number;
  if (wireType === LENGTH) {
    const length = readVarint(bytes, start, end);
    start = next;
    dataEnd = start + length;
  } else {
    dataEnd = skip(bytes, start, end, wireType);
  }
  if (dataEnd > end) throw malformed();
  return { number, wireType, at, start, end: dataEnd };
}

/** The error for a file that is no protobuf message of the kind it should be. */
export function malformed(): Error {
  return badModel('the file is cut short or damaged');
}

function skip(bytes: Uint8Array, at: number, end: number, wireType: number): number {
  if (wireType === FIXED32) return at + 4;
  if (wireType === FIXED64) return at + 8;
  if (wireType !== VARINT) throw malformed(); // groups, which ONNX never used
  readVarint(bytes, at, end);
  return next;
}

/** Where the varint read last ends. */
let next = 0;

function readVarint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  let scale = 1;
  for (let i = at; i < end && i < at + 10; i++) {
    const byte = bytes[i]!;
    value += (byte & 0x7f) * scale; // exact below 2⁵³; longer values are never lengths
    if (byte < 0x80) {
      next = i + 1;
      return value;
    }
    scale *= 128;
  }
  throw malformed();
}
