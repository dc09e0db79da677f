import { HimplosError } from '../errors.ts';

/** A method spec taken apart; nothing is known yet about whether such a method exists. */
export interface ParsedSpec {
  readonly id: string;
  readonly given: Readonly<Record<string, string>>;
}

/**
 * Takes `id[:key=value,…]` apart: the id ends at the first colon, a key at its first equals sign, so values may hold
 * both (`himplos:smoothing=enhance:20`). Throws `bad-usage` for anything else, and for a key given twice.
 */
export function parseSpec(text: string): ParsedSpec {
  const colon = text.indexOf(':');
  const id = colon === -1 ? text : text.slice(0, colon);
  if (text.length > MAX_SPEC_LENGTH || !ID.test(id)) throw badSpec(text, 'an id such as himplos or ash-s');
  const given: Record<string, string> = {};
  for (const pair of colon === -1 ? [] : text.slice(colon + 1).split(',')) {
    const [, key, value] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(pair) ?? [];
    if (key === undefined || value === undefined)
      throw badSpec(text, `key=value instead of ${JSON.stringify(pair)}`);
    if (Object.hasOwn(given, key)) throw badSpec(text, `${key} once`);
    given[key] = value;
  }
  return { id, given };
}

/**
 * Cuts a list `SPEC,SPEC,…` into its specs. Parameters are separated by commas too: a piece that begins with
 * `key=` belongs to the spec before it. The specs themselves are not checked.
 */
export function splitSpecs(list: string): string[] {
  const specs: string[] = [];
  for (const piece of list.split(',')) {
    const isParameter = /^[^:=]*=/.test(piece);
    if (isParameter && specs.length > 0) specs.push(`${specs.pop()},${piece}`);
    else specs.push(piece);
  }
  return specs;
}

const MAX_SPEC_LENGTH = 500;
const ID = /^[a-z][a-z0-9-]*$/;

function badSpec(text: string, expected: string): HimplosError {
  return new HimplosError('bad-usage', `method ${JSON.stringify(text.slice(0, 100))}: expected ${expected}`, {
    hint: 'write id[:key=value,…], for example himplos:mask=50,clip=1.0',
  });
}
