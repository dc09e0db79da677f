/**
 * Whole requests to the built embeddings function in this process, event in, response out, at 2048 × 1000: p50 and p99
 * of 2,000, by kind of body. The artifact comes from an S3 server on loopback.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { functionUrlEvent } from '../functions/events.ts';
import { environmentOf, makeDetector, publish, storeOf } from '../functions/published.ts';
import { unpack } from '../functions/unpacked.ts';
import { startFakeS3 } from '../servers/fake-s3.ts';

const [CLASSES, WIDTH, REQUESTS, WARM_UP] = [1000, 2048, 2000, 500];

const { taskRoot, remove } = await unpack('embeddings');
const s3 = await startFakeS3();
try {
  const made = await makeDetector(CLASSES, WIDTH);
  await publish(storeOf(s3), made);
  Object.assign(process.env, environmentOf(s3));
  const { handler } = createRequire(import.meta.url)(join(taskRoot, 'index.js'));
  const features = made.features.slice(0, WIDTH);
  const bytes = new Uint8Array(features.buffer);
  const base64 = Buffer.from(bytes).toString('base64');
  // Logs and metrics are written as in production, to nowhere.
  const write = process.stdout.write;
  process.stdout.write = () => true;
  console.log = () => undefined;
  const lines: string[] = [];
  for (const [name, event] of [
    ['JSON vector', functionUrlEvent('POST', '/v1/score', JSON.stringify({ features: [...features] }))],
    ['base64 in JSON', functionUrlEvent('POST', '/v1/score', JSON.stringify({ features_base64: base64 }))],
    [
      'binary body',
      functionUrlEvent('POST', '/v1/score', bytes, { 'content-type': 'application/octet-stream' }),
    ],
    ['direct invocation, base64', { features_base64: base64 }],
  ] as const) {
    const times: number[] = [];
    for (let i = 0; i < WARM_UP + REQUESTS; i++) {
      const start = performance.now();
      const answer = await handler(event, { awsRequestId: 'bench', getRemainingTimeInMillis: () => 10_000 });
      const elapsed = performance.now() - start;
      if ((answer.statusCode ?? 200) !== 200 || answer.error) throw new Error(JSON.stringify(answer));
      if (i >= WARM_UP) times.push(elapsed);
      // A runtime waits for the next event; what is left to do after an answer is done meanwhile.
      await turn();
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(share * times.length)]!.toFixed(3);
    lines.push(`  ${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (min ${at(0)})`);
  }
  process.stdout.write = write;
  process.stdout.write(`whole requests at ${WIDTH} × ${CLASSES}\n${lines.join('\n')}\n`);
} finally {
  await s3.close();
  remove();
}
