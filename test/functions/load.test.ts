import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeServer } from '../../functions/http/node-server.ts';
import { type FakeS3, startFakeS3 } from '../servers/fake-s3.ts';
import { send, type UnpackedFunction, unpackEmbeddings } from './built-function.ts';
import { functionUrlEvent } from './events.ts';
import { localApp } from './local-app.ts';
import { environmentOf, type MadeDetector, makeDetector, publish, storeOf } from './published.ts';

const [CLASSES, WIDTH, REQUESTS, IN_FLIGHT] = [100, 256, 20_000, 50];
/** What a heap may breathe; a leak of a request's own 2 KB would be 40 MB. */
const MEMORY_SLACK = 24 * 1024 * 1024;

describe('load', () => {
  let made: MadeDetector;
  let unpacked: UnpackedFunction;
  let s3: FakeS3;

  beforeAll(async () => {
    made = await makeDetector(CLASSES, WIDTH);
    unpacked = await unpackEmbeddings();
    s3 = await startFakeS3();
    await publish(storeOf(s3), made);
  });
  afterAll(async () => {
    await s3.close();
    unpacked.remove();
  });

  it('20,000 invocations end without an error or growing memory', async () => {
    const host = await unpacked.start(environmentOf(s3));
    try {
      const features = Buffer.from(made.features.slice(0, WIDTH).buffer).toString('base64');
      const event = functionUrlEvent('POST', '/v1/score', JSON.stringify({ features_base64: features }));
      let warm = 0;
      for (let i = 0; i < REQUESTS; i++) {
        const { status } = await send(host, event);
        if (status !== 200) expect.fail(`request ${i}: ${status}`);
        if (i === REQUESTS / 4) warm = await host.residentBytes();
      }
      expect((await host.residentBytes()) - warm).toBeLessThan(MEMORY_SLACK);
    } finally {
      await host.stop();
    }
  });

  it('50 requests in flight against a local server are all answered', async () => {
    const app = await localApp(made);
    const server = createNodeServer(app.fetch);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
    const body = JSON.stringify({ features: [...made.features.subarray(0, WIDTH)] });
    let left = 3000;
    const worker = async () => {
      while (left-- > 0) expect(await post(agent, port, body)).toBe(200);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    expect(app.bugs).toEqual([]);
    agent.destroy();
    server.close();
  });
});

function post(agent: Agent, port: number, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const outgoing = request(
      { host: '127.0.0.1', port, path: '/v1/score', method: 'POST', agent, headers },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode!));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
