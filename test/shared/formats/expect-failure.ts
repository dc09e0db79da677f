import { HimplosError } from '../../../shared/errors.ts';

/** The HimplosError that `run` throws; anything else, or nothing, fails the test. */
export function failureOf(run: () => unknown): HimplosError {
  try {
    run();
  } catch (error) {
    if (error instanceof HimplosError) return error;
    throw error;
  }
  throw new Error('expected an error, but there was none');
}

/** The same for a promise. */
export async function rejectionOf(promise: Promise<unknown>): Promise<HimplosError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof HimplosError) return outcome;
  throw outcome ?? new Error('expected a rejection, but there was none');
}
