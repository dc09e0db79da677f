import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { badModel } from './bad-model.ts';
import { FIXED32, FIXED64, LENGTH, malformed, readField, VARINT } from './wire.ts';

/**
 * What parsing may allocate besides the bytes themselves. A protobuf message of two bytes becomes an object of some
 * two hundred, a varint of one byte a bigint of thirty: without these bounds a small file could ask for any amount.
 */
const MAX_PARTS = 4_000_000; // messages, strings and fields that the schema does not know
const MAX_BIGINT_BYTES = 16_000_000; // packed int64 values: at least one byte each
const MAX_NUMBERS = 128_000_000; // values of float_data, int32_data and double_data, 8 bytes each

const MAX_DEPTH = 90; // the parser itself stops at 100

/**
 * Walks a protobuf message without building anything. Throws `bad-model` when it is cut short, malformed, nested too
 * deeply, has a field of another wire type than its schema says, or would need more objects than the bounds above.
 */
export function checkWire(schema: DescMessage, bytes: Uint8Array): void {
  const counts = { parts: 0, bigints: 0, numbers: 0 };
  walk(schema, bytes, 0, bytes.length, 0, counts);
}

interface Counts {
  parts: number;
  bigints: number;
  numbers: number;
}

function walk(
  schema: DescMessage,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
  counts: Counts,
): void {
  if (depth > MAX_DEPTH) throw badModel(`messages are nested more than ${MAX_DEPTH} deep`);
  const fields = fieldsByNumber(schema);
  let at = start;
  while (at < end) {
    const { number, wireType, start: dataStart, end: dataEnd } = readField(bytes, at, end);
    at = dataEnd;
    const field = fields.get(number);
    if (field === undefined) {
      count(counts, 'parts', 1, MAX_PARTS);
    } else {
      checkField(field, wireType, bytes, dataStart, dataEnd, depth, counts);
    }
  }
}

function checkField(
  field: DescField,
  wireType: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  depth: number,
  counts: Counts,
): void {
  const message = field.fieldKind === 'message' || field.fieldKind === 'list' ? field.message : undefined;
  if (message !== undefined) {
    if (wireType !== LENGTH) throw malformed();
    count(counts, 'parts', 1, MAX_PARTS);
    walk(message, bytes, start, end, depth + 1, counts);
    return;
  }
  const scalar = field.fieldKind === 'scalar' || field.fieldKind === 'list' ? field.scalar : undefined;
  const own = scalar === undefined ? VARINT : wireTypeOf(scalar);
  const packed = field.fieldKind === 'list' && wireType === LENGTH && own !== LENGTH;
  if (wireType !== own && !packed) throw malformed();
  if (field.fieldKind !== 'list' || own === LENGTH) {
    count(counts, 'parts', 1, MAX_PARTS);
  } else if (scalar === ScalarType.INT64 || scalar === ScalarType.UINT64) {
    count(counts, 'bigints', packed ? end - start : 1, MAX_BIGINT_BYTES);
  } else {
    const bytesEach = own === FIXED32 ? 4 : own === FIXED64 ? 8 : 1;
    if (packed && (end - start) % bytesEach !== 0) throw malformed();
    count(counts, 'numbers', packed ? (end - start) / bytesEach : 1, MAX_NUMBERS);
  }
}

function wireTypeOf(scalar: ScalarType): number {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return LENGTH;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    default:
      return VARINT;
  }
}

function count(counts: Counts, kind: keyof Counts, more: number, limit: number): void {
  counts[kind] += more;
  if (counts[kind] > limit) throw badModel(`more than ${limit} ${kind} in one model`);
}

const fieldMaps = new Map<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsByNumber(schema: DescMessage): ReadonlyMap<number, DescField> {
  let fields = fieldMaps.get(schema);
  if (fields === undefined) {
    fields = new Map(schema.fields.map((field) => [field.number, field]));
    fieldMaps.set(schema, fields);
  }
  return fields;
}
