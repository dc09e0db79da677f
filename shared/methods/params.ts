import type { Param } from './contract.ts';

/** A finite number that `accepts`. */
export function numberParam(
  fallback: number,
  expects: string,
  accepts: (value: number) => boolean,
): Param<number> {
  return {
    default: String(fallback),
    expects,
    parse: (text) => {
      const value = parseNumber(text);
      return value !== undefined && accepts(value) ? value : undefined;
    },
    format: String,
  };
}

/** A whole number from `least` on. */
export function countParam(fallback: number, least = 1): Param<number> {
  return numberParam(
    fallback,
    `a whole number from ${least}`,
    (value) => Number.isSafeInteger(value) && value >= least,
  );
}

/** A number above 0. */
export function positiveParam(fallback: number): Param<number> {
  return numberParam(fallback, 'a number above 0', (value) => value > 0);
}

/** A percentage p, 0 ≤ p < 100. */
export function percentParam(fallback: number): Param<number> {
  return numberParam(
    fallback,
    'a percentage from 0 up to, but not including, 100',
    (value) => value >= 0 && value < 100,
  );
}

/** One of a few words. */
export function choiceParam<T extends string>(fallback: T, choices: readonly T[]): Param<T> {
  return {
    default: fallback,
    expects: choices.join(', '),
    parse: (text) => choices.find((choice) => choice === text),
    format: String,
  };
}

/** A decimal number as people write it (`50`, `1.0`, `.5`, `1e-3`); undefined for anything else. −0 becomes 0. */
export function parseNumber(text: string): number | undefined {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(text) || text.length > 40) return undefined;
  const value = Number(text) + 0;
  return Number.isFinite(value) ? value : undefined;
}
