import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publishFolder } from '../../../calibrate/versions/publish.ts';
import { pullVersion } from '../../../calibrate/versions/pull.ts';
import { verifyDetector } from '../../../calibrate/versions/verify.ts';
import { encodeDetector } from '../../../shared/artifact/detector.ts';
import { loadDetector } from '../../../shared/artifact/load-detector.ts';
import type { ArtifactFile } from '../../../shared/artifact/manifest.ts';
import { writeArtifactFolder } from '../../../shared/store/artifact-folder.ts';
import { promote, readChannel } from '../../../shared/store/channels.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { openVersion } from '../../../shared/store/versions.ts';
import { smallDetector } from '../../shared/artifact/small-detector.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { randomNumbers } from '../../shared/random.ts';
import { openMemoryStore } from '../../shared/store/memory-store.ts';
import { newFolder } from '../run-command.ts';

/**
 * Damage at rest, in a store in memory (a flipped byte is set back after it was refused): what reaches the reader is
 * what any store would give that has no checksums of its own.
 */
describe('a published detector of which one byte was changed', () => {
  let objects: Map<string, Uint8Array>;
  let store: ObjectStore;
  let version: string;
  let pulls: string;
  beforeEach(() => {
    ({ objects, store } = openMemoryStore());
    pulls = newFolder();
  });
  afterEach(() => objects.clear());

  async function publish(more: Partial<Record<ArtifactFile, Uint8Array>> = {}): Promise<void> {
    const folder = join(newFolder(), 'detector');
    const files = {
      'detector.safetensors': await encodeDetector(smallDetector()),
      'report.json': new TextEncoder().encode('{}'),
      ...more,
    };
    await writeArtifactFolder(
      folder,
      Object.entries(files).map(([name, body]) => ({ name: name as ArtifactFile, body })),
    );
    ({ version } = await publishFolder(folder, store, 'birds'));
    const note = { id: 'x', at: '2026-01-01T00:00:00Z', by: null, reason: null, isForced: false };
    await promote(store, { detector: 'birds', channel: 'production' }, { from: undefined, version, note });
  }

  /** Runs `check` while one byte of one object differs. */
  async function whileFlipped(
    key: string,
    at: number,
    mask: number,
    check: () => Promise<void>,
  ): Promise<void> {
    const body = objects.get(key)!;
    body[at]! ^= mask;
    try {
      await check();
    } finally {
      body[at]! ^= mask;
    }
  }

  /** As a function does: by what the channel promises. */
  async function loadPromoted(): Promise<unknown> {
    const state = await readChannel(store, { detector: 'birds', channel: 'production' });
    const { manifestSha256 } = state!.document;
    return loadDetector(openVersion(store, 'birds', version), { version, manifestSha256 });
  }

  async function expectRefusals(key: string): Promise<void> {
    expect((await verifyDetector(store, 'birds', { version })).problems).not.toEqual([]);
    const out = join(pulls, 'out');
    expect((await rejectionOf(pullVersion(store, 'birds', { version }, out))).code).toBe('bad-artifact');
    expect(existsSync(out)).toBe(false);
    const isLoaded = key.endsWith('detector.safetensors') || key.endsWith('manifest.json');
    if (isLoaded) expect((await rejectionOf(loadPromoted())).code).toBe('bad-artifact');
  }

  it('is refused by verify, pull and the loader, whichever byte of it', async () => {
    await publish();
    let flipped = 0;
    for (const key of objects.keys()) {
      if (!key.includes('/versions/')) continue;
      for (let at = 0; at < objects.get(key)!.length; at++) {
        await whileFlipped(key, at, 1 << (at % 8), () => expectRefusals(key));
        flipped++;
      }
    }
    expect(flipped).toBeGreaterThan(3000);
    expect((await verifyDetector(store, 'birds')).problems).toEqual([]);
  });

  it('is refused by verify, pull and the loader at 10,000 seeded places of a large one', async () => {
    await publish({ 'detector.onnx': randomBytes(200_000), 'evaluation.safetensors': randomBytes(100_000) });
    const keys = [...objects.keys()].filter((key) => key.includes('/versions/'));
    const total = keys.reduce((sum, key) => sum + objects.get(key)!.length, 0);
    const random = randomNumbers(6);
    for (let n = 0; n < 10_000; n++) {
      let at = Math.floor(random() * total);
      const key = keys.find((candidate) => {
        const { length } = objects.get(candidate)!;
        if (at < length) return true;
        at -= length;
        return false;
      })!;
      const mask = 1 << Math.floor(random() * 8);
      await whileFlipped(key, at, mask, () => expectRefusals(key));
    }
  });
});
