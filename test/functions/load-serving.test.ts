import { describe, expect, it } from 'vitest';
import { type LoadImages, loadServing } from '../../functions/runtime/load-serving.ts';
import { decodeDetector, encodeDetector } from '../../shared/artifact/detector.ts';
import { sha256Hex } from '../../shared/artifact/digest.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import type { ChannelState } from '../../shared/store/channels.ts';
import type { ObjectReader } from '../../shared/store/object-store.ts';
import { makeDetector } from './published.ts';

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
