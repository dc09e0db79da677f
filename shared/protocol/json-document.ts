import { parseStrictJson } from '../formats/strict-json.ts';
import { badRequest, MAX_JSON_DEPTH } from './limits.ts';

/** A JSON object; nothing is known yet about its fields. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads a JSON document: UTF-8, no duplicate keys, bounded depth. Throws `bad-input`. */
export function parseDocument(body: Uint8Array | string): unknown {
  try {
    return parseStrictJson(typeof body === 'string' ? body : decodeUtf8(body), MAX_JSON_DEPTH);
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message.slice(0, 200) : 'it is not UTF-8';
    throw badRequest(`the body is not valid JSON: ${reason}`, 'check the body and its Content-Type', cause);
  }
}

/** Throws `bad-input` unless the value is an object with no fields but these. */
export function requireObject(value: unknown, known: readonly string[], where: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest(`${where}: expected an object, got ${describe(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw badRequest(
        `${where}: unknown field ${JSON.stringify(key.slice(0, 50))}`,
        `known fields are ${known.join(', ')}`,
      );
    }
  }
  return value as JsonObject;
}

/** A field's own value; undefined where it is absent (never what `Object.prototype` has). */
export function field(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A value in a few words, for messages. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  return JSON.stringify(value).slice(0, 50);
}

function decodeUtf8(body: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(body);
}
