/** Where a value is not as it should be: keys that lead there, and what was expected. */
export interface Misfit {
  readonly path: readonly (string | number)[];
  readonly expected: string;
}

/**
 * Checks parsed JSON: the first misfit, or undefined when the value is a T. Shapes are made of functions and cost
 * nothing to make: the functions read two of them in every cold start, which took 20 to 30 ms with zod's mini edition
 * (loading it, building its objects, and its first parse) and takes 1 ms with these. The command line uses zod.
 */
export type Shape<T> = ((value: unknown) => Misfit | undefined) & {
  /** The same value, its fields in the order of the shape; absent where there are none. */
  readonly inOrder?: (value: T) => T;
};

/** A value that fits, its fields in the order of the shape: for people, who do not think by the alphabet. */
export function inOrder<T>(shape: Shape<T>, value: T): T {
  return shape.inOrder === undefined ? value : shape.inOrder(value);
}

/** A string of so many UTF-16 units, that matches `pattern` if there is one. */
export function text(least: number, most: number, pattern?: RegExp): Shape<string> {
  const expected = `a string of ${least} to ${most} characters${pattern === undefined ? '' : ` like ${pattern.source}`}`;
  return (value) =>
    typeof value === 'string' &&
    value.length >= least &&
    value.length <= most &&
    (pattern?.test(value) ?? true)
      ? undefined
      : misfit(expected);
}

/** A whole number between two bounds, both included; at most 2⁵³ − 1 without a bound. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Shape<number> {
  const expected = `a whole number from ${least} to ${most}`;
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? undefined
      : misfit(expected);
}

/** A finite number for which `holds` is true. */
export function number(expected = 'a finite number', holds = (_: number) => true): Shape<number> {
  return (value) => (Number.isFinite(value) && holds(value as number) ? undefined : misfit(expected));
}

/** One of these values. */
export function oneOf<const T extends readonly (string | number | boolean | null)[]>(
  ...values: T
): Shape<T[number]> {
  const expected = values.map((value) => JSON.stringify(value)).join(' or ');
  return (value) => (values.includes(value as T[number]) ? undefined : misfit(expected));
}

/** Null is taken, too. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return ordered(
    (value) => (value === null ? undefined : shape(value)),
    (value: T | null) => (value === null ? null : inOrder(shape, value)),
  );
}

/** A field that may be absent. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return ordered(
    (value) => (value === undefined ? undefined : shape(value)),
    (value: T | undefined) => (value === undefined ? undefined : inOrder(shape, value)),
  );
}

/** An array of at most so many. */
export function list<T>(item: Shape<T>, most = Number.POSITIVE_INFINITY): Shape<readonly T[]> {
  const check = (value: unknown) => {
    if (!Array.isArray(value)) return misfit('an array');
    if (value.length > most) return misfit(`at most ${most} items`);
    return firstMisfit(value.keys(), (i) => item(value[i]));
  };
  if (item.inOrder === undefined) return check;
  return ordered<readonly T[]>(check, (values) => values.map((value) => inOrder(item, value)));
}

/** Exactly three. */
export function triple<T>(item: Shape<T>): Shape<readonly [T, T, T]> {
  const items = list(item, 3);
  return (value) => items(value) ?? ((value as unknown[]).length === 3 ? undefined : misfit('three items'));
}

/** An object with these fields and no others. */
export function object<T extends object>(fields: { readonly [Key in keyof T]-?: Shape<T[Key]> }): Shape<T> {
  const check = (value: unknown) => {
    if (!isObject(value)) return misfit('an object');
    const unknown = Object.keys(value).find((key) => !Object.hasOwn(fields, key));
    if (unknown !== undefined) return { path: [shorten(unknown)], expected: 'no such field' };
    return firstMisfit(Object.keys(fields), (key) =>
      fields[key as keyof T](Object.hasOwn(value, key) ? value[key] : undefined),
    );
  };
  return ordered(check, (value: T) => {
    const keys = Object.keys(fields).filter((key) => Object.hasOwn(value, key)) as (keyof T)[];
    return Object.fromEntries(keys.map((key) => [key, inOrder(fields[key], value[key])])) as T;
  });
}

/** An object with any keys but `__proto__`, which would not survive being copied. */
export function record<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value) => {
    if (!isObject(value)) return misfit('an object');
    return firstMisfit(Object.keys(value), (key) =>
      key === '__proto__' ? misfit('no such key') : item(value[key]),
    );
  };
}

/** One shape or the other; what is wrong is said of the second. */
export function either<A, B>(first: Shape<A>, second: Shape<B>): Shape<A | B> {
  return (value) => first(value) && second(value);
}

function ordered<T>(check: (value: unknown) => Misfit | undefined, inOrder: (value: T) => T): Shape<T> {
  return Object.assign(check, { inOrder });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function misfit(expected: string): Misfit {
  return { path: [], expected };
}

/** A key as it stands in messages. */
function shorten<Key extends string | number>(key: Key): string | number {
  return typeof key === 'string' ? key.slice(0, 100) : key;
}

function firstMisfit<Key extends string | number>(
  keys: Iterable<Key>,
  check: (key: Key) => Misfit | undefined,
): Misfit | undefined {
  for (const key of keys) {
    const found = check(key);
    if (found !== undefined) return { path: [shorten(key), ...found.path], expected: found.expected };
  }
  return undefined;
}
