import { setTimeout as delay } from 'node:timers/promises';
import { throwIfAborted } from './file-errors.ts';
import { isPassing, s3Error } from './s3-errors.ts';

/** How often and how fast a request is repeated. */
export interface RetryPolicy {
  /** Including the first. */
  readonly attempts: number;
  /** Longest pause before the first repetition; doubles each time. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
}

/** At most some 10 s of pauses in all. */
export const defaultRetries: RetryPolicy = { attempts: 6, baseDelayMs: 200, maxDelayMs: 5000 };

/**
 * Does something until it succeeds, at most `policy.attempts` times, repeating only what `isPassing` says may
 * succeed. `attempt` is given the number of the attempt, from 1. Throws HimplosErrors: see `s3Error`; `interrupted`
 * when the signal aborts.
 */
export async function retrying<T>(
  policy: RetryPolicy,
  what: string,
  signal: AbortSignal | undefined,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number++) {
    throwIfAborted(signal);
    try {
      return await attempt(number);
    } catch (error) {
      throwIfAborted(signal);
      if (number >= policy.attempts || !isPassing(error)) throw s3Error(error, what, number);
      await pause(policy, number, signal);
    }
  }
}

/** Waits before repetition `number` (1 is the first): a random time, so that those who collided do not meet again. */
export async function pause(
  { baseDelayMs, maxDelayMs }: RetryPolicy,
  number: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const longest = Math.min(maxDelayMs, baseDelayMs * 2 ** (number - 1));
  try {
    await delay(Math.random() * longest, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}
