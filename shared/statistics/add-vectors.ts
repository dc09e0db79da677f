/**
 * to = ((t0 + t1) + t2) + …; `to` may be one of the terms, and all of them but the first may be overwritten. As many at
 * once as are common: a loop over 16 MB takes 5 ms, whether it adds two numbers or three.
 */
export function addAll(to: Float64Array, terms: readonly Float64Array[]): void {
  let [first, rest] = [terms[0]!, terms.slice(1)];
  while (rest.length > 2) {
    addThree(rest[1]!, first, rest[0]!, rest[1]!);
    [first, rest] = [rest[1]!, rest.slice(2)];
  }
  if (rest.length === 2) addThree(to, first, rest[0]!, rest[1]!);
  else if (rest.length === 1) addTwo(to, first, rest[0]!);
  else if (to !== first) to.set(first);
}

/** to = a + b; `to` may be either. */
export function addTwo(to: Float64Array, a: Float64Array, b: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] = a[i]! + b[i]!;
}

function addThree(to: Float64Array, a: Float64Array, b: Float64Array, c: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] = a[i]! + b[i]! + c[i]!;
}
