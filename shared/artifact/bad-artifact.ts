import { HimplosError } from '../errors.ts';

/** The error for a detector, manifest or evaluation file that cannot be trusted. `what` follows "artifact refused: ". */
export function badArtifact(
  what: string,
  {
    hint = 'the file is damaged or was changed: fetch it again, or calibrate again',
    cause,
  }: { hint?: string; cause?: unknown } = {},
): HimplosError {
  return new HimplosError('bad-artifact', `artifact refused: ${what}`, { hint, cause });
}
