import { describe, expect, it } from 'vitest';
import { type LoadImages, loadServing } from '../../functions/runtime/load-serving.ts';
import { readAhead } from '../../functions/runtime/read-ahead.ts';
import { openS3Reader } from '../../functions/runtime/s3-reader.ts';
import { decodeDetector, encodeDetector } from '../../shared/artifact/detector.ts';
import { sha256Hex } from '../../shared/artifact/digest.ts';
import { takeKernelMemory } from '../../shared/kernel/kernel-memory.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { type ChannelState, readChannel } from '../../shared/store/channels.ts';
import type { ObjectReader } from '../../shared/store/object-store.ts';
import { startFakeS3 } from '../servers/fake-s3.ts';
import { makeDetector, publish, storeOf } from './published.ts';

/** A store with this detector alone, and what its channel says. */
async function stored(bytes: Uint8Array): Promise<{ store: ObjectReader; state: ChannelState }> {
  const document = { version: await sha256Hex(bytes) } as ChannelState['document'];
  const store: ObjectReader = {
    address: 'nowhere',
    get: async () => ({ body: bytes.slice(), etag: '' }),
    getIfChanged: async () => undefined,
  };
  return { store, state: { document } as ChannelState };
}

describe('loading a version', () => {
  const { signal } = new AbortController();

  it('gives images up when the scorer cannot be prepared', async () => {
    const contents = await decodeDetector((await makeDetector(5, 16)).bytes);
    const method = `${contents.document.method},zoom=3`;
    const bytes = await encodeDetector({ ...contents, document: { ...contents.document, method } });
    const { store, state } = await stored(bytes);
    const heard: unknown[] = [];
    const loadImages: LoadImages = async (_store, _detector, _state, usable) => {
      await usable.catch((error) => heard.push(error));
      return undefined;
    };
    const parts = { kernel: compileKernel(), loadImages };
    const error = await loadServing(store, 'birds', state, parts, signal).catch((thrown) => thrown);
    expect(error.message).toContain('zoom');
    expect(heard).toEqual([error]);
  });

  it('tries again when what arrives is damaged, whether or not images wait for it', async () => {
    const { bytes } = await makeDetector(5, 16);
    const { store, state } = await stored(bytes);
    const late: LoadImages = async (_store, _detector, _state, usable) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await usable;
      return undefined;
    };
    for (const loadImages of [undefined, late]) {
      let reads = 0;
      const damaged: ObjectReader = {
        ...store,
        get: (key, options) =>
          reads++ === 0 ? Promise.resolve({ body: new Uint8Array(100), etag: '' }) : store.get(key, options),
      };
      const parts = { kernel: compileKernel(), ...(loadImages !== undefined && { loadImages }) };
      const serving = await loadServing(damaged, 'birds', state, parts, signal);
      expect(serving.version).toBe(state.document.version);
      expect(reads).toBe(2);
      // An error that nobody waits for would end the process a turn later.
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  });

  it('has weights from S3 where the kernel works on them, read ahead or not', async () => {
    const s3 = await startFakeS3();
    try {
      const version = await publish(storeOf(s3), await makeDetector(5, 16));
      const { endpoint, credentials } = s3;
      const reader = openS3Reader('s3://bucket/detectors', {
        region: 'us-east-1',
        endpoint,
        credentials: () => credentials,
      });
      const address = { detector: 'birds', channel: 'production' };
      for (const store of [reader, readAhead(reader, address)]) {
        const state = (await readChannel(store, address))!;
        const serving = await loadServing(store, 'birds', state, { kernel: compileKernel() }, signal);
        expect(serving.version).toBe(version);
        const { weight } = serving.contents.head;
        // Whole pages, of which the file is the smallest part; and a kernel has taken them.
        expect(weight.buffer.byteLength % 65_536).toBe(0);
        expect(takeKernelMemory(weight)).toBeUndefined();
      }
    } finally {
      await s3.close();
    }
  });

  it('has the model for images beside a scorer', async () => {
    const { store, state } = await stored((await makeDetector(5, 16)).bytes);
    const model = { run: async () => new Float32Array(16) };
    const loadImages: LoadImages = async (_store, _detector, _state, usable) => {
      expect((await usable).head.width).toBe(16);
      return model;
    };
    const serving = await loadServing(store, 'birds', state, { kernel: compileKernel(), loadImages }, signal);
    expect(serving.images).toBe(model);
    expect(serving.scorer.engine).toMatch(/simd/);
  });
});
