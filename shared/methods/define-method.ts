import { HimplosError } from '../errors.ts';
import type { Detector, Method, Param } from './contract.ts';
import { suggest } from './suggest.ts';

/** Parameter values by name. */
type ValuesOf<P> = { readonly [K in keyof P]: P[K] extends Param<infer T> ? T : never };

/** A method as its file states it. */
interface Definition<P extends Readonly<Record<string, Param<unknown>>>> {
  /** Lower-case letters, digits and dashes; prefix of the method's tensors. */
  readonly id: string;
  readonly title: string;
  readonly source: string;
  /** In the order of the canonical spec. */
  readonly params: P;
  /** The detector for given parameter values. */
  readonly build: (values: ValuesOf<P>) => Omit<Detector, 'spec'>;
}

/** Makes a `Method`: parses parameters, fills in defaults and writes the canonical spec. */
export function defineMethod<P extends Readonly<Record<string, Param<unknown>>>>(
  definition: Definition<P>,
): Method {
  const { id, title, source, params, build } = definition;

  function bind(given: Readonly<Record<string, string>>): Detector {
    for (const key of Object.keys(given)) {
      if (!Object.hasOwn(params, key)) throw unknownKey(id, key, Object.keys(params));
    }
    const values: Record<string, unknown> = {};
    const canonical: string[] = [];
    for (const [key, param] of Object.entries(params)) {
      const text = Object.hasOwn(given, key) ? given[key]! : param.default;
      const value = param.parse(text);
      if (value === undefined) throw badValue(id, key, param, text);
      values[key] = value;
      canonical.push(`${key}=${param.format(value)}`);
    }
    const spec = canonical.length === 0 ? id : `${id}:${canonical.join(',')}`;
    return { spec, ...build(values as ValuesOf<P>) };
  }

  return { id, title, source, params, bind };
}

function unknownKey(id: string, key: string, known: readonly string[]): HimplosError {
  const expected = known.length === 0 ? 'no parameters' : `one of ${known.join(', ')}`;
  return new HimplosError(
    'bad-usage',
    `method ${id}: expected ${expected}, got parameter ${JSON.stringify(key.slice(0, 50))}`,
    { hint: suggest(key, known) ?? `write the method as ${id}${known.length > 0 ? `:${known[0]}=…` : ''}` },
  );
}

function badValue(id: string, key: string, param: Param<unknown>, text: string): HimplosError {
  return new HimplosError(
    'bad-usage',
    `method ${id}, ${key}: expected ${param.expects}, got ${JSON.stringify(text.slice(0, 50))}`,
    { hint: `for example ${id}:${key}=${param.default}` },
  );
}
