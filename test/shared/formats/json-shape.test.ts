import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  either,
  inOrder,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  record,
  text,
  triple,
  whole,
} from '../../../shared/formats/json-shape.ts';

/** A shape of every kind, and the same in zod. */
const shape = object({
  kind: oneOf('a', 1, true, null),
  name: text(1, 3, /^[a-c]+$/),
  size: nullable(whole(1, 5)),
  share: number('a number from 0 to 1', (value) => value >= 0 && value <= 1),
  any: number(),
  few: list(whole(0), 2),
  three: triple(number()),
  more: optional(object({ x: oneOf('x') })),
  sides: either(object({ shorter: whole(1) }), object({ height: whole(1), width: whole(1) })),
  names: record(text(0, 2)),
});
const count = z.int().min(0);
const schema = z.strictObject({
  kind: z.union([z.literal('a'), z.literal(1), z.literal(true), z.null()]),
  name: z
    .string()
    .min(1)
    .max(3)
    .regex(/^[a-c]+$/),
  size: z.int().min(1).max(5).nullable(),
  share: z.number().min(0).max(1),
  any: z.number(),
  few: z.array(count).max(2),
  three: z.tuple([z.number(), z.number(), z.number()]),
  more: z.strictObject({ x: z.literal('x') }).optional(),
  sides: z.union([
    z.strictObject({ shorter: z.int().min(1) }),
    z.strictObject({ height: z.int().min(1), width: z.int().min(1) }),
  ]),
  names: z.record(z.string(), z.string().max(2)),
});
const good = {
  kind: 'a',
  name: 'ab',
  size: 3,
  share: 0.5,
  any: -1e300,
  few: [0, 7],
  three: [1, 2, 3],
  more: { x: 'x' },
  sides: { height: 1, width: 2 },
  names: { p: 'q', '': '' },
};

describe('shapes of JSON', () => {
  it('take and refuse what zod takes and refuses', () => {
    expect(shape(good)).toBeUndefined();
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(undefined, NaN, Infinity, -0, 0, 1, 5, 6, 1.5, 2 ** 53, '', 'abc', 'abcd', 'd', [], {}),
      fc.array(fc.integer({ min: -1, max: 9 }), { maxLength: 4 }),
      fc.record({ shorter: fc.integer({ min: 0, max: 2 }) }),
      fc.dictionary(fc.string({ maxLength: 2 }), fc.string({ maxLength: 3 })),
    );
    const changed = fc
      .tuple(fc.constantFrom(...Object.keys(good), 'extra', '__proto__'), odd, fc.boolean())
      .map(([key, value, isRemoved]) => {
        const fields = Object.entries(good).filter(([name]) => name !== key);
        return Object.fromEntries(isRemoved ? fields : [...fields, [key, value]]);
      });
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof({ weight: 1, arbitrary: odd }, { weight: 9, arbitrary: changed }), (value) => {
        const isTaken = shape(value) === undefined;
        expect(isTaken).toBe(schema.safeParse(value).success);
        taken += Number(isTaken);
      }),
      { seed: 11, numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(1000);
  });

  it('put fields into their order, at every depth', () => {
    const nested = object({ b: nullable(list(object({ d: whole(0), c: optional(whole(0)) }))), a: whole(0) });
    const value = {
      a: 1,
      b: [
        { c: 2, d: 3 },
        { c: undefined, d: 4 },
      ],
    };
    expect(JSON.stringify(inOrder(nested, value))).toBe('{"b":[{"d":3,"c":2},{"d":4}],"a":1}');
    expect(JSON.stringify(inOrder(nested, { a: 1, b: null }))).toBe('{"b":null,"a":1}');
  });

  it('say where a value is wrong, and what was expected there', () => {
    const misfitOf = (change: object) => {
      const { path, expected } = shape({ ...good, ...change })!;
      return `${path.join('.')}: ${expected}`;
    };
    expect(misfitOf({ size: 6 })).toBe('size: a whole number from 1 to 5');
    expect(misfitOf({ few: [0, -1] })).toBe('few.1: a whole number from 0 to 9007199254740991');
    expect(misfitOf({ few: [1, 2, 3] })).toBe('few: at most 2 items');
    expect(misfitOf({ more: { x: 'y' } })).toBe('more.x: "x"');
    expect(misfitOf({ names: { p: 'long' } })).toBe('names.p: a string of 0 to 2 characters');
    expect(misfitOf({ names: JSON.parse('{"__proto__": "x"}') })).toBe('names.__proto__: no such key');
    expect(misfitOf({ extra: 1 })).toBe('extra: no such field');
    expect(shape([])).toEqual({ path: [], expected: 'an object' });
  });
});
