import { HimplosError } from '../../shared/errors.ts';

/** A failed file operation as an error the user can act on: which file, what happened. */
export function explainFileError(cause: unknown, path: string): HimplosError {
  if (cause instanceof HimplosError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new HimplosError('not-found', `${path}: no such file or folder`, {
        hint: 'check the spelling and the folder you are in',
        cause,
      });
    case 'EACCES':
    case 'EPERM':
      return new HimplosError('unavailable', `${path}: no permission to read it`, {
        hint: 'change its permissions or run as its owner',
        cause,
      });
    case 'EISDIR':
      return new HimplosError('bad-input', `${path}: expected a file, got a folder`, {
        hint: 'name a file inside it',
        cause,
      });
    case 'ELOOP':
      return new HimplosError('bad-input', `${path}: a link that leads back to itself`, {
        hint: 'remove the link',
        cause,
      });
    default:
      return new HimplosError(
        'unavailable',
        `${path}: cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
        { hint: 'try again, or copy it to another disk', cause },
      );
  }
}

/** The same error, saying which file it is about: a format's own reader does not know. */
export function nameError(cause: unknown, path: string): unknown {
  if (!(cause instanceof HimplosError) || cause.message.startsWith(path)) return cause;
  const hint = cause.hint === undefined ? {} : { hint: cause.hint };
  return new HimplosError(cause.code, `${path}: ${cause.message}`, { ...hint, cause });
}
