/**
 * The answer to what cannot be made a web-standard request of: methods that the standard forbids (TRACE, CONNECT,
 * TRACK) and headers or addresses that are malformed.
 */
export function refusedRequest(method: string): Response {
  const isForbidden = /^(TRACE|CONNECT|TRACK)$/i.test(method);
  const message = isForbidden
    ? `${method.toUpperCase()} is not taken`
    : 'the method, address or headers are malformed';
  const error = { code: 'bad-usage', message, hint: 'GET /openapi.json lists what there is' };
  return Response.json(
    { error },
    isForbidden ? { status: 405, headers: { allow: 'GET, HEAD, POST' } } : { status: 400 },
  );
}
