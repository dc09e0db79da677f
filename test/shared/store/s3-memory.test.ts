import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { openS3Store } from '../../../shared/store/s3-store.ts';
import { startFakeS3Process } from '../../servers/fake-s3-process.ts';

const MIB = 2 ** 20;
const SIZE = 256;

it('S3 takes and gives objects larger than the memory they take', async () => {
  const server = await startFakeS3Process();
  try {
    const { endpoint, credentials } = server;
    const store = openS3Store('s3://bucket', { endpoint, credentials });
    const piece = Buffer.alloc(MIB, 'piece');
    const expected = createHash('sha256');
    async function* open() {
      for (let i = 0; i < SIZE; i++) yield piece;
    }
    for (let i = 0; i < SIZE; i++) expected.update(piece);
    const writing = await peakWhile(() => store.put('large', { bytes: SIZE * MIB, open }));
    const hash = createHash('sha256');
    const reading = await peakWhile(async () => {
      for await (const chunk of (await store.open('large')).chunks) hash.update(chunk);
    });
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    // Some five parts of 8 MiB, and what the garbage collector has not come to.
    expect(writing).toBeLessThan(SIZE / 2);
    expect(reading).toBeLessThan(SIZE / 2);
  } finally {
    await server.close();
  }
});

/** The most that array buffers grow by, in MiB. */
async function peakWhile(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().arrayBuffers;
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers);
  }, 2);
  await work();
  clearInterval(timer);
  return (peak - before) / MIB;
}
