/** What kind of thing went wrong. Edges map a code to an HTTP status or an exit status; nothing else does. */
export type ErrorCode =
  | 'bad-usage' /** an option, method spec or request that cannot be understood */
  | 'not-found' /** a file, version or tensor that is not there */
  | 'bad-input' /** data that is malformed, of the wrong shape or not finite */
  | 'bad-model' /** a model file that cannot be read or has no usable classifier head */
  | 'bad-artifact' /** a detector that is damaged, incomplete or of an unknown format */
  | 'too-large' /** over a stated bound on bytes, entries or pixels */
  | 'unsupported' /** well-formed, but outside what this program handles */
  | 'conflict' /** somebody else got there first, or the target already exists */
  | 'unavailable' /** storage, network or a device that does not answer */
  | 'interrupted'; /** the user or the platform asked to stop */

/**
 * Every error this project raises on purpose. `message` says what failed, what was expected and what was
 * found; `hint` is the next action to take.
 */
export class HimplosError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'HimplosError';
    this.code = code;
    this.hint = options.hint;
  }
}
