import type { z } from 'zod';
import { HimplosError } from '../../shared/errors.ts';
import { parseStrictJson } from '../../shared/formats/strict-json.ts';

/** Reads JSON that must have a schema. Throws `bad-input` naming `where` and the key that does not fit. */
export function parseDocument<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (cause) {
    throw damaged(
      `${where}: expected JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw damaged(`${where}: ${issue.path.map(String).join('.') || 'the document'}: ${issue.message}`);
}

function damaged(message: string, cause?: unknown): HimplosError {
  return new HimplosError('bad-input', message, {
    hint: 'it was written by another version, or is damaged: remove it and run that shard again',
    cause,
  });
}
