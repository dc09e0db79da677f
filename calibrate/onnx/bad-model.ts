import { HimplosError } from '../../shared/errors.ts';

/** A model file that cannot be used: `bad-model` with the next action as a hint. */
export function badModel(message: string, options: { hint?: string; cause?: unknown } = {}): HimplosError {
  return new HimplosError('bad-model', message, options);
}

/** A name from inside a model as it stands in messages: quoted, control characters escaped, of bounded length. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 117)}...` : name);
}
