import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';

/** Whether an event is an HTTP request by a Function URL or an HTTP API (payload format 2.0). */
export function isHttpEvent(event: unknown): event is APIGatewayProxyEventV2 {
  if (typeof event !== 'object' || event === null || !('requestContext' in event)) return false;
  const context = event.requestContext as { http?: { method?: unknown } } | null;
  return typeof context?.http?.method === 'string';
}

/** The event as a web-standard request; undefined for what cannot be one. */
export function toRequest(event: APIGatewayProxyEventV2): Request | undefined {
  try {
    return makeRequest(event);
  } catch {
    return undefined;
  }
}

function makeRequest(event: APIGatewayProxyEventV2): Request {
  const { method } = event.requestContext.http;
  const query = event.rawQueryString ? `?${event.rawQueryString}` : '';
  const url = `https://function.invalid${pathOf(event)}${query}`;
  const headers = new Headers();
  for (const [name, value] of Object.entries(event.headers ?? {})) {
    if (value !== undefined) headers.set(name, value);
  }
  const hasBody = event.body !== undefined && method !== 'GET' && method !== 'HEAD';
  if (!hasBody) return new Request(url, { method, headers });
  const body = event.isBase64Encoded ? Buffer.from(event.body!, 'base64') : event.body!;
  return new Request(url, { method, headers, body });
}

/** A response as Lambda wants it; anything but text goes as base64. */
export async function fromResponse(response: Response): Promise<APIGatewayProxyStructuredResultV2> {
  const headers = Object.fromEntries(response.headers);
  const isText = /^(text\/|application\/json)/.test(headers['content-type'] ?? 'text/');
  if (isText) {
    return { statusCode: response.status, headers, body: await response.text(), isBase64Encoded: false };
  }
  const body = Buffer.from(await response.arrayBuffer()).toString('base64');
  return { statusCode: response.status, headers, body, isBase64Encoded: true };
}

/** The path without the stage that an HTTP API puts in front of it. */
function pathOf({ rawPath, requestContext: { stage } }: APIGatewayProxyEventV2): string {
  const path = rawPath.startsWith('/') ? rawPath : `/${rawPath}`;
  const prefix = `/${stage}`;
  if (stage === '$default' || (path !== prefix && !path.startsWith(`${prefix}/`))) return path;
  return path.slice(prefix.length) || '/';
}
