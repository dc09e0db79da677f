import { type ErrorCode, HimplosError } from '../errors.ts';

/** An error as it is sent. */
export interface ErrorAnswer {
  readonly status: number;
  readonly body: {
    readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
  };
}

/** What every kind of error means to a caller over HTTP. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  'bad-usage': 400,
  'bad-input': 400,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  unsupported: 415,
  // The rest is no fault of the caller's.
  'bad-model': 503,
  'bad-artifact': 503,
  unavailable: 503,
  interrupted: 503,
};

/** The answer for anything thrown. What is not a HimplosError is a bug: the caller learns nothing about it. */
export function errorAnswer(error: unknown): ErrorAnswer {
  if (!(error instanceof HimplosError)) {
    return { status: 500, body: { error: { code: 'bug', message: 'the server failed unexpectedly' } } };
  }
  const { code, message, hint } = error;
  return {
    status: STATUS[code],
    body: { error: { code, message, ...(hint !== undefined && { hint }) } },
  };
}
