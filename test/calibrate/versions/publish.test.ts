import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_BANK_BYTES, publishFolder } from '../../../calibrate/versions/publish.ts';
import { pullVersion } from '../../../calibrate/versions/pull.ts';
import { resolveVersion } from '../../../calibrate/versions/resolve-version.ts';
import { encodeDetector } from '../../../shared/artifact/detector.ts';
import { writeArtifactFolder } from '../../../shared/store/artifact-folder.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { verifyVersion } from '../../../shared/store/versions.ts';
import { f32 } from '../../../shared/tensor.ts';
import { smallDetector } from '../../shared/artifact/small-detector.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { collect } from '../../shared/store/contract-suite.ts';
import { type TestStore, testStores } from '../../shared/store/test-stores.ts';
import { listBelow, newFolder } from '../run-command.ts';

describe.each(testStores)('publishing into $kind', ({ open }) => {
  let opened: TestStore;
  let store: ObjectStore;
  let folder: string;
  beforeEach(async () => {
    opened = await open();
    store = opened.store;
    folder = join(newFolder(), 'detector');
  });
  afterEach(() => opened.close());

  async function writeFolder(parts = smallDetector()): Promise<void> {
    await writeArtifactFolder(folder, [
      { name: 'detector.safetensors', body: await encodeDetector(parts) },
      { name: 'report.html', body: new TextEncoder().encode('<p>') },
    ]);
  }

  it('and pulling again gives the same folder', async () => {
    await writeFolder();
    const { version, isNew } = await publishFolder(folder, store, 'birds');
    expect(isNew).toBe(true);
    expect((await publishFolder(folder, store, 'birds')).isNew).toBe(false);
    const copy = join(newFolder(), 'copy');
    await pullVersion(store, 'birds', { version }, copy);
    expect(listBelow(copy)).toEqual(listBelow(folder));
    for (const name of listBelow(copy))
      expect(await readFile(join(copy, name))).toEqual(await readFile(join(folder, name)));
    expect((await rejectionOf(pullVersion(store, 'birds', { version }, copy))).code).toBe('conflict');
  });

  it.each(['detector.safetensors', 'report.html', 'manifest.json'])(
    'stops at a damaged %s, and no version is seen',
    async (name) => {
      await writeFolder();
      const bytes = await readFile(join(folder, name));
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(join(folder, name), bytes);
      expect((await rejectionOf(publishFolder(folder, store, 'birds'))).code).toBe('bad-artifact');
      expect((await collect(store.list(''))).filter(({ key }) => key.includes('manifest'))).toEqual([]);
    },
  );

  it('is refused for a folder without a detector', async () => {
    expect((await rejectionOf(publishFolder(newFolder(), store, 'birds'))).code).toBe('not-found');
  });

  it('leaves out a large bank of features unless asked for', async () => {
    const parts = smallDetector();
    const rows = Math.ceil(MAX_BANK_BYTES / 20) + 1;
    const bank = f32(new Float32Array(rows * 5), rows, 5);
    await writeFolder({ ...parts, tensors: { ...parts.tensors, bank } });
    expect((await rejectionOf(publishFolder(folder, store, 'birds'))).code).toBe('too-large');
    expect(await collect(store.list(''))).toEqual([]);
    const { version } = await publishFolder(folder, store, 'birds', { withBank: true });
    expect(await verifyVersion(store, 'birds', version)).toEqual([]);
  });

  it.each(['..', 'a/b', 'a\\b', 'a\nb', '', 'x'.repeat(101), `${'x'.repeat(1025)}`])(
    'is refused under the name %j',
    async (name) => {
      await writeFolder();
      expect((await rejectionOf(publishFolder(folder, store, name))).code).toBe('bad-input');
      expect(await collect(store.list(''))).toEqual([]);
    },
  );

  it('gives versions that are found by their beginning, and by nothing ambiguous or absent', async () => {
    await writeFolder();
    const { version } = await publishFolder(folder, store, 'birds');
    expect(await resolveVersion(store, 'birds', version.slice(0, 6))).toEqual({ version });
    expect(await resolveVersion(store, 'birds', version)).toEqual({ version });
    const absent = version.startsWith('000000') ? '111111' : '000000';
    expect((await rejectionOf(resolveVersion(store, 'birds', absent))).code).toBe('not-found');
    expect((await rejectionOf(resolveVersion(store, 'birds', 'production'))).code).toBe('not-found');
    expect((await rejectionOf(resolveVersion(store, 'birds', '../production'))).code).toBe('bad-input');
    const twin = `${version.slice(0, 6)}${'0'.repeat(58)}`;
    await store.put(`birds/versions/${twin}/report.json`, new Uint8Array(1));
    expect((await rejectionOf(resolveVersion(store, 'birds', version.slice(0, 6)))).code).toBe('bad-usage');
  });
});
