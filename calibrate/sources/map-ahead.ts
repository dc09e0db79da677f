/**
 * Maps items in order while up to `ahead` of them are under way, so that waiting for one overlaps with waiting for
 * the next. The first failure, of `items` or of `map`, ends the iteration at its place in the order.
 */
export async function* mapAhead<T, U>(
  items: AsyncIterable<T>,
  ahead: number,
  map: (item: T) => Promise<U>,
): AsyncGenerator<U> {
  const iterator = items[Symbol.asyncIterator]();
  const underWay: Promise<U>[] = [];
  let isDone = false;
  try {
    while (true) {
      while (!isDone && underWay.length < ahead) {
        try {
          const next = await iterator.next();
          if (next.done) isDone = true;
          else underWay.push(settleLater(map(next.value)));
        } catch (cause) {
          isDone = true;
          underWay.push(settleLater(Promise.reject(cause)));
        }
      }
      const first = underWay.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    await iterator.return?.();
  }
}

/** A failure counts when its turn comes; until then it must not pass for an unhandled one. */
function settleLater<U>(promise: Promise<U>): Promise<U> {
  promise.catch(() => {});
  return promise;
}
