import { expect, it } from 'vitest';
import { isAccessDenied, s3Error } from '../../../shared/store/s3-errors.ts';

it.each([
  [403, 'AccessDenied', true],
  [401, 'Unauthorized', true],
  [403, 'RequestTimeTooSkewed', false],
  [404, 'NoSuchKey', false],
  [500, 'access is denied', false],
  [undefined, 'TimeoutError', false],
])('of %s %s, as it came and translated, access was denied: %s', (httpStatusCode, name, isDenied) => {
  const error = Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
  expect(isAccessDenied(error)).toBe(isDenied);
  const translated = s3Error(error, 'reading');
  expect(isAccessDenied(translated)).toBe(isDenied);
  expect(/access is denied \(/.test(translated.message)).toBe(isDenied);
});
