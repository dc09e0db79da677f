import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import type { GetAnswer } from '../../functions/runtime/arriving-answer.ts';
import { openHttpGet } from '../../functions/runtime/http-get.ts';

const servers: net.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const LARGE = Buffer.alloc(5_000_000, 'abcdefg');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const whole = (body: string | Buffer, status = '200 OK') =>
  Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\nETag: "e"\r\n\r\n`),
    Buffer.from(body),
  ]);

const lengths = (...all: number[]) => all.map((length) => `Content-Length: ${length}\r\n`).join('');

describe('openHttpGet', () => {
  it('gets a body whole, with its digest and headers', async () => {
    const { get, heads } = await serve((socket) => void socket.write(whole(LARGE)));
    const answer = await get();
    expect(answer.status).toBe(200);
    expect(Buffer.compare(answer.body, LARGE)).toBe(0);
    expect(answer.sha256).toBe(sha256(LARGE));
    expect(answer.headers.get('etag')).toBe('"e"');
    expect(heads).toEqual(['GET /a%20b HTTP/1.1\r\nhost: here\r\nx-one: 1\r\n\r\n']);
  });

  it('takes answers in pieces of any size', async () => {
    const answer = whole('the body');
    for (let size = 1; size < answer.length; size += 3) {
      const { get } = await serve(async (socket) => {
        for (let at = 0; at < answer.length; at += size) {
          socket.write(answer.subarray(at, at + size));
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
      expect(text(await get())).toBe('the body');
    }
  });

  it('tells how much of a body has arrived, and where it is', async () => {
    const { get } = await serve((socket) => void socket.write(whole(LARGE)));
    const seen: [ArrayBufferLike, number][] = [];
    const { body } = await get({ onPart: (part: Uint8Array, n: number) => void seen.push([part.buffer, n]) });
    expect(
      seen.every(([memory], i) => memory === body.buffer && (i === 0 || seen[i]![1] > seen[i - 1]![1])),
    ).toBe(true);
    expect(seen.at(-1)![1]).toBe(LARGE.length);
    expect(seen.length).toBeGreaterThan(1);
  });

  it('uses a connection again, and opens another one when that was closed meanwhile', async () => {
    const { get, connections } = await serve((socket, count) => {
      if (count === 3) socket.destroy();
      else socket.write(whole(`answer ${count}`));
    });
    expect(text(await get())).toBe('answer 1');
    expect(text(await get())).toBe('answer 2');
    expect(connections()).toBe(1);
    expect(text(await get())).toBe('answer 4');
    expect(connections()).toBe(2);
  });

  it('keeps nothing of an answer while its connection idles', async () => {
    const { get, connections } = await serve((socket) => void socket.write(whole(LARGE)));
    const body = new WeakRef((await get()).body.buffer);
    setFlagsFromString('--expose-gc');
    await new Promise((resolve) => setImmediate(resolve));
    runInNewContext('gc')();
    expect(body.deref() === undefined).toBe(true);
    await get();
    expect(connections()).toBe(1);
  });

  it('asks nothing once its caller has given up', async () => {
    const { get, heads, connections } = await serve((socket) => void socket.write(whole('body')));
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(get({ signal })).rejects.toThrow('enough');
    expect(connections()).toBe(0);
    await get();
    await expect(get({ signal })).rejects.toThrow('enough');
    await get();
    expect([heads.length, connections()]).toEqual([2, 1]);
  });

  it('opens a connection for each of several requests at once', async () => {
    const { get, connections } = await serve((socket, count) =>
      setTimeout(() => socket.write(whole(String(count))), 20),
    );
    const answers = await Promise.all([get(), get(), get()]);
    expect(answers.map(text).sort()).toEqual(['1', '2', '3']);
    expect(connections()).toBe(3);
  });

  it('reads refusals of known and unknown length', async () => {
    const chunked = 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<Code>\r\n0\r\n\r\n';
    const { get } = await serve((socket, count) => {
      if (count === 1) socket.write(whole('<Code>known', '403 Forbidden'));
      if (count === 2) socket.write(chunked);
      if (count === 3) socket.end('HTTP/1.1 500 Oh\r\n\r\n<Code>until the end');
      if (count === 4) socket.write('HTTP/1.1 304 Not Modified\r\n\r\n');
    });
    expect(text(await get())).toBe('<Code>known');
    const second = await get();
    expect([second.status, text(second).includes('<Code>')]).toEqual([404, true]);
    expect(text(await get())).toBe('<Code>until the end');
    expect(await get()).toMatchObject({ status: 304, body: new Uint8Array(0) });
  });

  it.each([
    ['is empty', '0\r\n\r\n'],
    ['has trailers', '6;x=1\r\n<Code>\r\n00\r\nX-A: 1\r\nX-B: 2\r\n\r\n'],
    ['has what looks like an end in a chunk', '7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n'],
  ])('waits for no more than a chunked refusal that %s', async (_what, body) => {
    const answer = `HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
    const { get } = await serve(async (socket) => {
      for (const byte of answer) {
        socket.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const refusal = await get({}, 500);
    expect([refusal.status, text(refusal)]).toEqual([403, body]);
  });

  it.each([
    ['ends early', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort', /closed/],
    ['ends in its headers', 'HTTP/1.1 200 OK\r\ncontent-le', /closed/],
    ['is longer than announced', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nlonger', /longer/],
    ['does not say its length', 'HTTP/1.1 200 OK\r\n\r\nbody', /how long/],
    [
      'says two kinds of length',
      'HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: x\r\n\r\n',
      /how long/,
    ],
    ['says a length that is none', 'HTTP/1.1 200 OK\r\ncontent-length: -4\r\n\r\n', /how long/],
    ['says two lengths', `HTTP/1.1 200 OK\r\n${lengths(4, 5)}\r\nbody`, /two lengths, 4 and 5/],
    ['says two lengths of a refusal', `HTTP/1.1 404 No\r\n${lengths(4, 5)}\r\nbody`, /two lengths/],
    ['is not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', /expected a final HTTP\/1\.1 status, got "SSH-2\.0-OpenSSH"/],
    ['is not the last', 'HTTP/1.1 100 Continue\r\n\r\n', /expected a final HTTP\/1\.1 status, got .*100/],
    ['has endless headers', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`, /do not end/],
    ['has a header without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n', /no name/],
  ])('refuses an answer that %s', async (_what, answer, reason) => {
    const { get } = await serve((socket) => void socket.end(answer));
    await expect(get()).rejects.toThrow(reason);
  });

  it('takes a length that is said twice', async () => {
    const { get } = await serve((socket) => void socket.write(`HTTP/1.1 200 OK\r\n${lengths(4, 4)}\r\nbody`));
    expect(text(await get())).toBe('body');
  });

  it('asks before it allocates', async () => {
    const { get } = await serve(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n'),
    );
    const allow = (status: number, bytes: number) => {
      throw new Error(`${status} ${bytes}`);
    };
    await expect(get({ allow })).rejects.toThrow('200 99999999999999');
  });

  it('puts bodies into memory that its caller allocates, once it may, and refusals elsewhere', async () => {
    const { get } = await serve(
      (socket, count) => void socket.write(whole('body', count === 2 ? '404 No' : '200 OK')),
    );
    const memory = new Uint8Array(100);
    const order: string[] = [];
    const options = {
      allow: () => void order.push('allow'),
      allocate: (bytes: number) => {
        order.push(`allocate ${bytes}`);
        return memory.subarray(50, 50 + bytes);
      },
    };
    expect((await get(options)).body.buffer).toBe(memory.buffer);
    expect(Buffer.from(memory.subarray(49, 55)).toString()).toBe('\0body\0');
    expect((await get(options)).body.buffer).not.toBe(memory.buffer);
    expect(order).toEqual(['allow', 'allocate 4', 'allow']);
  });

  it('gives up on silence and on request', async () => {
    const { get } = await serve(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal'),
    );
    await expect(get({}, 50)).rejects.toThrow('no answer for 50 ms');
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('enough')), 20);
    await expect(get({ signal: abort.signal })).rejects.toThrow('enough');
    const nowhere = openHttpGet(new URL('http://127.0.0.1:1'), 2000);
    await expect(nowhere(REQUEST)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it.skipIf(spawnSync('openssl', ['version']).status !== 0)('speaks TLS (needs openssl)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'himplos-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const made = spawnSync('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
    ]);
    expect(made.status).toBe(0);
    const server = tls.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.write(whole(LARGE)));
    });
    const origin = new URL(`https://localhost:${await listen(server)}`);
    const get = openHttpGet(origin, 2000);
    const request = { path: '/', headers: {}, allow: () => undefined, signal: undefined };
    await expect(get(request)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    const trusted = tls.getCACertificates();
    tls.setDefaultCACertificates([...trusted, readFileSync(cert, 'utf8')]);
    try {
      expect((await get(request)).sha256).toBe(sha256(LARGE));
      const elsewhere = new URL(origin.href.replace('localhost', '127.0.0.1'));
      await expect(openHttpGet(elsewhere, 2000)(request)).rejects.toMatchObject({
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    } finally {
      tls.setDefaultCACertificates(trusted);
      rmSync(folder, { recursive: true });
    }
  });
});

const REQUEST = {
  path: '/a%20b',
  headers: { host: 'here', 'x-one': '1' },
  allow: () => undefined,
  signal: undefined,
};

/** A server that answers request number 1, 2, … as told. */
async function serve(answer: (socket: Socket, count: number) => unknown) {
  const heads: string[] = [];
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      heads.push(String(data));
      answer(socket, heads.length);
    });
  });
  const origin = new URL(`http://127.0.0.1:${await listen(server)}`);
  const getter = openHttpGet(origin, 2000);
  const get = (changes = {}, silenceMs?: number) =>
    (silenceMs === undefined ? getter : openHttpGet(origin, silenceMs))({ ...REQUEST, ...changes });
  return { get, heads, connections: () => connections };
}

async function listen(server: net.Server): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function text({ body }: GetAnswer): string {
  return Buffer.from(body).toString();
}
