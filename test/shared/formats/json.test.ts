import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, type Json } from '../../../shared/formats/canonical-json.ts';
import { parseStrictJson } from '../../../shared/formats/strict-json.ts';

describe('canonical JSON', () => {
  it('sorts keys at every depth and writes no space', () => {
    expect(canonicalJson({ b: [1, { z: null, a: true }], a: 'x"\n', skipped: undefined })).toBe(
      '{"a":"x\\"\\n","b":[1,{"a":true,"z":null}]}',
    );
  });

  it('reads back equal and writes the same text again', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = canonicalJson(value as Json);
        // JSON has no negative zero.
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('writes numbers in the shortest form', () => {
    expect(canonicalJson([0.1, 1e21, 1e-7, 8.508499145507812, -0])).toBe(
      '[0.1,1e+21,1e-7,8.508499145507812,0]',
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses %d', (number) => {
    expect(() => canonicalJson({ a: [number] })).toThrow(RangeError);
  });
});

describe('strict JSON', () => {
  it('reads what JSON.parse reads when no key repeats', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), fc.nat({ max: 3 }), (text, indent) => {
        const spaced = JSON.stringify(JSON.parse(text), null, indent);
        expect(parseStrictJson(spaced, 20)).toEqual(JSON.parse(spaced));
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  it.each([
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '{"x":[{"a":1},{"b":1,"c":{},"b" : 2}]}',
    '{"a":1,"a"\n\t:2}',
  ])('refuses a repeated key: %s', (text) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(() => parseStrictJson(text)).toThrow(/twice/);
  });

  it('lets the same key stand in different objects and as a value', () => {
    expect(parseStrictJson('[{"a":"a"},{"a":"b:"},{"b":{"a":"a"},"a":[]}]')).toHaveLength(3);
  });

  it('decides as a walk over single characters does', () => {
    const members = fc.array(
      fc.constantFrom('"a"', '"\\u0061"', '"b"', '"\\\\"', '"\\""', '{', '}', ':', ',', '[', ']', '1', ' '),
    );
    let refused = 0;
    const texts = fc.oneof(
      members.map((parts) => parts.join('')),
      fc
        .array(fc.constantFrom('a', 'b', '\\"', '\\\\'))
        .map((keys) => `{${keys.map((key) => `"${key}":1`)}}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const wanted = outcome(() => {
          refuseByWalking(text);
          return JSON.parse(text);
        });
        expect(outcome(() => parseStrictJson(text))).toEqual(wanted);
        refused += Number(String(wanted).includes('twice'));
      }),
      { seed: 5, numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(300);
  });

  it('refuses depth before parsing and long unfinished strings quickly', () => {
    expect(() => parseStrictJson('['.repeat(1_000_000))).toThrow(/deeper/);
    expect(() => parseStrictJson(`"${'\\'.repeat(1_000_001)}`)).toThrow(SyntaxError);
    expect(parseStrictJson('[[]]', 2)).toEqual([[]]);
  });

  it.each(['', '{', '{"a"}', "{'a':1}", '{"a":1,}', '[1 2]', '}{', '"a":1'])('refuses %s', (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  });
});

/** What it returns, or the message of what it throws. */
function outcome(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return (error as Error).message;
  }
}

/** Throws for a key that stands twice in its object; the slow way. */
function refuseByWalking(text: string): void {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') {
      const start = at++;
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      if (at >= text.length) throw new SyntaxError('a string has no end');
      if (!/^\s*:/.test(text.slice(at + 1))) continue;
      const key = JSON.parse(text.slice(start, at + 1));
      if (open.at(-1)?.has(key)) throw new SyntaxError(`the key ${JSON.stringify(key)} stands twice`);
      open.at(-1)?.add(key);
    } else if ('{['.includes(text[at]!)) open.push(new Set());
    else if ('}]'.includes(text[at]!)) open.pop();
  }
}
