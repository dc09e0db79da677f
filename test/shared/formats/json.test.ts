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

  it('refuses depth before parsing and long unfinished strings quickly', () => {
    expect(() => parseStrictJson('['.repeat(1_000_000))).toThrow(/deeper/);
    expect(() => parseStrictJson(`"${'\\'.repeat(1_000_001)}`)).toThrow(SyntaxError);
    expect(parseStrictJson('[[]]', 2)).toEqual([[]]);
  });

  it.each(['', '{', '{"a"}', "{'a':1}", '{"a":1,}', '[1 2]', '}{', '"a":1'])('refuses %s', (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  });
});
