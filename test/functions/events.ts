import type { APIGatewayProxyEventV2 } from 'aws-lambda';

/** A Function URL's event (payload format 2.0), as recorded from AWS with the account's details replaced. */
export function functionUrlEvent(
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): APIGatewayProxyEventV2 {
  const [rawPath, rawQueryString = ''] = path.split('?');
  const isBinary = body instanceof Uint8Array;
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: rawPath!,
    rawQueryString,
    headers: {
      'x-amzn-trace-id': 'Root=1-65fa1f3c-0c4a4a1e1b2c3d4e5f607182',
      'x-forwarded-proto': 'https',
      host: 'abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws',
      'x-forwarded-port': '443',
      'x-forwarded-for': '192.0.2.1',
      accept: '*/*',
      'user-agent': 'curl/8.5.0',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    requestContext: {
      accountId: 'anonymous',
      apiId: 'abcdefghijklmnopqrstuvwxyz012345',
      domainName: 'abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws',
      domainPrefix: 'abcdefghijklmnopqrstuvwxyz012345',
      http: { method, path: rawPath!, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'curl/8.5.0' },
      requestId: '7c1c4a5e-5f3b-4a43-9a53-1e0e7e9c1a11',
      routeKey: '$default',
      stage: '$default',
      time: '20/Mar/2026:00:00:00 +0000',
      timeEpoch: 1_773_964_800_000,
    },
    ...(body !== undefined && { body: isBinary ? Buffer.from(body).toString('base64') : body }),
    isBase64Encoded: isBinary,
  };
}

/** An HTTP API's event with a named stage in front of the path. */
export function httpApiEvent(
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): APIGatewayProxyEventV2 {
  const event = functionUrlEvent(method, `/prod${path}`, body, headers);
  const route = `${method} ${path}`;
  return {
    ...event,
    routeKey: route,
    requestContext: {
      ...event.requestContext,
      accountId: '000000000000',
      apiId: 'r3pmxmplak',
      domainName: 'r3pmxmplak.execute-api.us-east-1.amazonaws.com',
      domainPrefix: 'r3pmxmplak',
      routeKey: route,
      stage: 'prod',
    },
  };
}
