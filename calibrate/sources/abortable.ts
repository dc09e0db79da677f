import { HimplosError } from '../../shared/errors.ts';

/**
 * The same items, ended by `signal` even while one is being waited for. The iteration below is then closed as
 * soon as its pending step is done; nobody waits for that. Throws `interrupted` (or the signal's reason, where that
 * is a HimplosError), and what `items` throws.
 */
export async function* abortable<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  if (signal === undefined) {
    yield* items;
    return;
  }
  const iterator = items[Symbol.asyncIterator]();
  try {
    while (true) {
      const next = await orAbort(() => iterator.next(), signal);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    const closed = iterator.return?.();
    if (signal.aborted) closed?.catch(() => {});
    else await closed;
  }
}

/** One step that `signal` ends early. Its listener goes with it: a signal outlives millions of steps. */
function orAbort<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(interrupted(signal.reason));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    const settled = () => signal.removeEventListener('abort', abort);
    step().then(resolve, reject).then(settled, settled);
  });
}

function interrupted(reason: unknown): HimplosError {
  if (reason instanceof HimplosError) return reason;
  return new HimplosError('interrupted', 'stopped before the end', { hint: 'run it again', cause: reason });
}
