/** What the header of a .npy file says. */
export interface NpyDictionary {
  /** Element type in numpy's spelling, e.g. `<f4`; for structured types the text of the whole description. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/**
 * Reads numpy's header: a Python dictionary literal with exactly the keys descr, fortran_order and shape, in any
 * order. Nothing is evaluated; anything numpy itself would not write is refused with an error made by `fail`.
 */
export function readNpyDictionary(text: string, fail: (what: string) => Error): NpyDictionary {
  const entries = new Map<string, string>();
  // [ \t] and the one newline at the end are all the white space numpy writes.
  const dictionary = /^\{(.*)\}[ \t]*\n?$/s.exec(text);
  if (dictionary === null) throw fail('the header is not one Python dictionary');
  let rest = dictionary[1]!.trim();
  while (rest !== '') {
    const entry = ENTRY.exec(rest);
    if (entry === null) throw fail(`the header cannot be read at ${JSON.stringify(rest.slice(0, 40))}`);
    const [whole, , key, value] = entry;
    if (entries.has(key!)) throw fail(`the header has ${key} twice`);
    entries.set(key!, value!);
    rest = rest.slice(whole.length);
  }
  const descr = entries.get('descr');
  const order = entries.get('fortran_order');
  const shape = entries.get('shape');
  if (descr === undefined || order === undefined || shape === undefined || entries.size !== 3) {
    throw fail(
      `expected the keys descr, fortran_order and shape, got ${[...entries.keys()].join(', ') || 'none'}`,
    );
  }
  if (order !== 'True' && order !== 'False')
    throw fail(`fortran_order: expected True or False, got ${order}`);
  if (descr.startsWith('(') || /^[\dTF]/.test(descr)) throw fail(`descr: expected a dtype, got ${descr}`);
  return {
    descr: descr.startsWith('[') ? descr.slice(0, 200) : descr.slice(1, -1),
    fortranOrder: order === 'True',
    shape: readTuple(shape, fail),
  };
}

// 'key': value, where value is a string, True, False, a tuple of whole numbers, a whole number or, for
// structured element types, a list that runs to the last bracket (only ever quoted in a message).
const ENTRY =
  /^(['"])(\w{1,32})\1\s*:\s*('[^'"\\]*'|"[^'"\\]*"|True|False|\([\d, ]*\)|\d{1,16}|\[.*\])\s*(?:,\s*|$)/s;

function readTuple(text: string, fail: (what: string) => Error): readonly number[] {
  const tuple = /^\((.*)\)$/.exec(text);
  if (tuple === null) throw fail(`shape: expected a tuple, got ${text.slice(0, 40)}`);
  const inside = tuple[1]!.trim();
  if (inside === '') return [];
  const parts = inside.split(',').map((part) => part.trim());
  if (parts.length === 1) throw fail(`shape: expected a tuple, got ${text.slice(0, 40)}`);
  if (parts.at(-1) === '') parts.pop();
  return parts.map((part) => {
    const dimension = Number(part);
    if (!/^(?:0|[1-9]\d{0,15})$/.test(part) || !Number.isSafeInteger(dimension)) {
      throw fail(`shape: ${JSON.stringify(part.slice(0, 40))} is not a dimension`);
    }
    return dimension;
  });
}
