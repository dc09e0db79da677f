import { HimplosError } from '../../shared/errors.ts';
import { decodeBase64 } from '../../shared/protocol/base64.ts';
import { featuresFromBytes, featuresFromJson } from '../../shared/protocol/feature-values.ts';
import { describe, field, parseDocument, requireObject } from '../../shared/protocol/json-document.ts';
import { badRequest, type FeatureBatch } from '../../shared/protocol/limits.ts';
import type { ChunkReader } from './chunk-reader.ts';
import { BLOCK_ROWS, type SampleBlock } from './read-samples.ts';

/** A hundred times what 2048 numbers take. */
const MAX_LINE_CHARACTERS = 4 * 2 ** 20;
const MAX_ID_CHARACTERS = 1000;

/**
 * Samples a line each: an array of L numbers, or an object with `features` or `features_base64` (little-endian
 * float32) and perhaps an `id`, which the answer repeats. Empty lines do not count. Throws `bad-input` or `too-large`
 * naming the line.
 */
export async function* readJsonLines(reader: ChunkReader, width: number): AsyncGenerator<SampleBlock> {
  const features = new Float32Array(BLOCK_ROWS * width);
  let ids: (string | number | undefined)[] = [];
  let firstRow = 0;
  for await (const { text, number } of readLines(reader)) {
    const { sample, id } = named(number, () => readLine(text, width));
    features.set(sample, ids.length * width);
    ids.push(id);
    if (ids.length < BLOCK_ROWS) continue;
    yield { firstRow, rows: ids.length, features, ids };
    firstRow += ids.length;
    ids = [];
  }
  if (ids.length > 0) yield { firstRow, rows: ids.length, features, ids };
  else if (firstRow === 0) throw new HimplosError('bad-input', 'expected at least one sample, got none');
}

/** Lines that are not empty, counted from 1. Throws `bad-input` for what is not UTF-8, `too-large`. */
export async function* readLines(
  reader: ChunkReader,
): AsyncGenerator<{ readonly text: string; readonly number: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let number = 0;
  for await (const chunk of reader.remaining()) {
    const lines = (rest + decode(decoder, chunk)).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      number++;
      checkLength(line, number);
      if (line.trim() !== '') yield { text: line, number };
    }
    checkLength(rest, number + 1);
  }
  rest += decode(decoder, undefined);
  if (rest.trim() !== '') yield { text: rest, number: number + 1 };
}

function readLine(text: string, width: number): { sample: Float32Array; id: string | number | undefined } {
  const value = parseDocument(text);
  if (Array.isArray(value)) return { sample: one(featuresFromJson(value, width)), id: undefined };
  const document = requireObject(value, ['features', 'features_base64', 'id'], 'line');
  const id = field(document, 'id');
  const isId =
    id === undefined || typeof id === 'number' || (typeof id === 'string' && id.length <= MAX_ID_CHARACTERS);
  if (!isId)
    throw badRequest(`id: expected a number or up to ${MAX_ID_CHARACTERS} characters, got ${describe(id)}`);
  const base64 = field(document, 'features_base64');
  if (base64 === undefined) return { sample: one(featuresFromJson(field(document, 'features'), width)), id };
  if (typeof base64 !== 'string')
    throw badRequest(`features_base64: expected a string, got ${describe(base64)}`);
  return { sample: one(featuresFromBytes(decodeBase64(base64, 'features_base64'), width)), id };
}

function one({ rows, features }: FeatureBatch): Float32Array {
  if (rows === 1) return features;
  throw badRequest(`expected one sample, got ${rows}`, 'write each sample on a line of its own');
}

function decode(decoder: TextDecoder, chunk: Uint8Array | undefined): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw new HimplosError('bad-input', 'it is not UTF-8', { hint: 'write it again as UTF-8', cause });
  }
}

function checkLength(line: string, number: number): void {
  if (line.length <= MAX_LINE_CHARACTERS) return;
  throw new HimplosError('too-large', `line ${number}: expected at most ${MAX_LINE_CHARACTERS} characters`, {
    hint: 'write each sample on a line of its own',
  });
}

function named<T>(number: number, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    const { code, hint } = cause;
    const message = cause.message.replace(/^request refused: /, '');
    throw new HimplosError(code, `line ${number}: ${message}`, {
      ...(hint !== undefined && { hint }),
      cause,
    });
  }
}
