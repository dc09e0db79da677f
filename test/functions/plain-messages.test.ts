import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as plain from '../../functions/runtime/plain-messages.ts';

const SEED = { seed: 7, numRuns: 2000 };
const name = fc.oneof(fc.constantFrom('Content-Type', 'x-a', 'X-A', 'Allow', 'content-length'), fc.string());
const value = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(' a\t', 'a\r\nb', 'é', '\0'),
);
const pairs = fc.array(fc.tuple(name, value), { maxLength: 5 });

/** What a message comes to, or that it is refused. */
async function outcome(make: () => plain.Request | plain.Response | Request | Response): Promise<unknown> {
  try {
    const message = make();
    return {
      ...('url' in message && 'method' in message
        ? { url: message.url, method: message.method }
        : { status: message.status }),
      headers: [...message.headers],
      body: Buffer.from(await message.arrayBuffer()).toString('base64'),
    };
  } catch (error) {
    return (error as Error).name;
  }
}

it('requests are taken, changed and refused as by the platform', async () => {
  const method = fc.oneof(
    fc.constantFrom('GET', 'get', 'post', 'PUT', 'HEAD', 'patch', 'CONNECT', 'trace', 'G T', ''),
    fc.string(),
  );
  const path = fc.oneof(
    fc.constantFrom('/v1/score?detail=full', '/a/../b', '/é?ü=1#x', '/%zz', '//x', '/a b'),
    fc.string().map((text) => `/${text}`),
  );
  const body = fc.option(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array()), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(method, path, pairs, body, async (method, path, pairs, body) => {
      const url = `https://function.invalid${path}`;
      const init = (headers: { set(name: string, value: string): void }) => {
        for (const [name, value] of pairs) headers.set(name, value);
        return { method, headers: headers as never, ...(body !== undefined && { body: body as never }) };
      };
      const mine = await outcome(() => new plain.Request(url, init(new plain.Headers())));
      expect(mine).toEqual(await outcome(() => new Request(url, init(new Headers()))));
    }),
    SEED,
  );
});

it('takes time in proportion to a value, whatever white space there is in it', () => {
  const spaces = ' \t'.repeat(100_000);
  const headers = new plain.Headers({ a: `${spaces}x${spaces}y${spaces}` });
  expect(headers.get('a')).toBe(`x${spaces}y`);
}, 2000);

it('responses carry the same status, headers and body as the platform’s', async () => {
  const body = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => bytes.slice().buffer),
    fc.constant(null),
  );
  await fc.assert(
    fc.asyncProperty(body, fc.integer({ min: 205, max: 599 }), pairs, async (body, status, pairs) => {
      if (status === 205 || status === 304) return;
      const mine = await outcome(() => new plain.Response(body, { status, headers: pairs }));
      expect(mine).toEqual(await outcome(() => new Response(body as never, { status, headers: pairs })));
    }),
    SEED,
  );
});

it('responses of JSON are the platform’s', async () => {
  for (const init of [
    {},
    { status: 405, headers: { allow: 'GET' } },
    { headers: { 'Content-Type': 'x/y' } },
  ]) {
    const mine = await outcome(() => plain.Response.json({ a: [1, 'ü'] }, init));
    expect(mine).toEqual(await outcome(() => Response.json({ a: [1, 'ü'] }, init)));
  }
});

it('headers can be read, listed, added to and removed whatever the case of their names', () => {
  for (const headers of [new plain.Headers({ B: '2' }), new Headers({ B: '2' })]) {
    headers.append('a', '1');
    headers.append('A', '3');
    headers.set('c', '4');
    headers.delete('C');
    expect([...headers]).toEqual([
      ['a', '1, 3'],
      ['b', '2'],
    ]);
    expect([headers.get('A'), headers.get('x'), headers.has('b')]).toEqual(['1, 3', null, true]);
    expect([...headers.entries()]).toEqual([...headers]);
    const seen: string[] = [];
    headers.forEach((value, name) => void seen.push(name + value));
    expect(seen).toEqual(['a1, 3', 'b2']);
    expect([...new plain.Headers(headers)]).toEqual([...headers]);
  }
});
