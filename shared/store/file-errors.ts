import { HimplosError } from '../errors.ts';

/** Whether an error of node:fs has one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** Translates what node:fs throws; HimplosErrors pass unchanged. `what` says what was being done, with the path. */
export function storageError(error: unknown, what: string): HimplosError {
  if (error instanceof HimplosError) return error;
  if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) {
    return new HimplosError('not-found', `${what}: there is no such file`, {
      hint: 'check the path',
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new HimplosError('unavailable', `${what}: ${reason}`, { hint: hintFor(error), cause: error });
}

/** Throws `interrupted` once a signal has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new HimplosError('interrupted', 'stopped before it was finished; nothing was left half-written', {
      cause: signal.reason,
    });
  }
}

function hintFor(error: unknown): string {
  if (hasCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG'))
    return 'the disk is full: free some space and run it again';
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) return 'check who may write there';
  if (hasCode(error, 'EXDEV')) return 'the folder and everything below it must lie on one file system';
  if (hasCode(error, 'EMFILE', 'ENFILE')) return 'too many files are open: raise the limit (ulimit -n)';
  return 'check the disk and run it again';
}
