import { HimplosError } from '../errors.ts';
import { countBytes, isDType } from './element-types.ts';
import type { SafetensorsEntry, SafetensorsHeader } from './safetensors.ts';
import { parseStrictJson } from './strict-json.ts';

/**
 * Reads and checks the JSON of a safetensors header (https://github.com/huggingface/safetensors, "Format").
 * @param json the bytes between the length and the data
 * @param dataOffset where the data begins in the file
 * @param fileBytes length of the file; the tensors must cover the rest of it exactly
 */
export function readSafetensorsHeader(
  json: Uint8Array,
  dataOffset: number,
  fileBytes: number,
): Omit<SafetensorsHeader, 'dataOffset'> {
  // Checked on the byte: a leading space or byte order mark would pass through the decoder.
  if (json[0] !== 0x7b) throw malformedSafetensors('its header does not begin with {');
  const document = parse(json);
  if (!isObject(document)) throw malformedSafetensors('its header is not a JSON object');
  const { __metadata__: metadata = {}, ...tensors } = document;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw malformedSafetensors('its __metadata__ is not an object of strings');
  }
  const entries = Object.keys(tensors)
    .map((name) => readEntry(name, tensors[name], dataOffset))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = dataOffset;
  for (const { name, begin, end } of entries) {
    if (begin !== covered) {
      throw malformedSafetensors(`tensor ${quote(name)} begins at byte ${begin}, expected ${covered}`);
    }
    covered = end;
  }
  if (covered !== fileBytes) {
    throw malformedSafetensors(`its tensors end at byte ${covered}, but it has ${fileBytes} bytes`);
  }
  return { entries, metadata: metadata as Readonly<Record<string, string>> };
}

/** The error for a damaged file. */
export function malformedSafetensors(what: string, cause?: unknown): HimplosError {
  return new HimplosError('bad-input', `not a readable safetensors file: ${what}`, {
    hint: 'the file is damaged or of another format: write it again with safetensors.save_file',
    cause,
  });
}

function parse(json: Uint8Array): unknown {
  try {
    return parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json), 4);
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message.slice(0, 200) : 'it is not UTF-8';
    throw malformedSafetensors(`its header is not valid: ${reason}`, cause);
  }
}

function readEntry(name: string, value: unknown, dataOffset: number): SafetensorsEntry {
  if (!isObject(value) || Object.keys(value).length !== 3) {
    throw malformedSafetensors(`tensor ${quote(name)}: expected dtype, shape and data_offsets`);
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw malformedSafetensors(`tensor ${quote(name)} has no dtype`);
  if (!isDType(dtype)) {
    throw new HimplosError(
      'unsupported',
      `tensor ${quote(name)}: expected F32, F64, I32, I64 or U8, got dtype ${quote(dtype)}`,
      { hint: 'convert it before saving, for example to float32' },
    );
  }
  if (!isCountList(shape)) throw malformedSafetensors(`tensor ${quote(name)} has no usable shape`);
  if (!isCountList(offsets) || offsets.length !== 2) {
    throw malformedSafetensors(`tensor ${quote(name)} has no usable data_offsets`);
  }
  const [begin, end] = offsets as readonly [number, number];
  const bytes = countBytes(dtype, shape);
  if (end - begin !== bytes) {
    throw malformedSafetensors(
      `tensor ${quote(name)}: ${dtype} [${shape.slice(0, 8)}] takes ${bytes ?? 'too many'} bytes, its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin: dataOffset + begin, end: dataOffset + end };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whole numbers ≥ 0; −0 is refused, since it would not be written back as it was read. */
function isCountList(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((item) => Number.isSafeInteger(item) && item >= 0 && !Object.is(item, -0))
  );
}

/** A name from the file, short enough for a message. */
function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
