import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256Hex } from '../../../shared/artifact/digest.ts';
import { loadDetector } from '../../../shared/artifact/load-detector.ts';
import { encodeManifest } from '../../../shared/artifact/manifest.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { claimVersion, releaseVersion } from '../../../shared/store/pins.ts';
import { versionKey } from '../../../shared/store/version-keys.ts';
import {
  deleteVersion,
  listVersions,
  openVersion,
  verifyVersion,
  versionBody,
  writeVersion,
} from '../../../shared/store/versions.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { collect } from './contract-suite.ts';
import { smallVersion } from './small-version.ts';
import { type TestStore, testStores } from './test-stores.ts';

describe.each(testStores)('versions in $kind', ({ open }) => {
  let opened: TestStore;
  let store: ObjectStore;
  let one: Awaited<ReturnType<typeof smallVersion>>;
  beforeEach(async () => {
    opened = await open();
    store = opened.store;
    one = await smallVersion('one');
  });
  afterEach(() => opened.close());
  const publish = (version = one) => writeVersion(store, 'birds', version.manifest, version.bodyOf);

  it('are written whole and load again', async () => {
    expect(await publish()).toEqual({ isNew: true });
    const { version } = one.manifest;
    expect((await loadDetector(openVersion(store, 'birds', version), { version })).document.name).toBe('one');
    expect(await verifyVersion(store, 'birds', version)).toEqual([]);
    const entry = one.manifest.files[1]!;
    const chunks = await collect(versionBody(store, 'birds', version, entry).open());
    expect(Buffer.concat(chunks).toString()).toBe('{"name":"one"}');
  });

  it('can be written again without effect', async () => {
    await publish();
    expect(await publish()).toEqual({ isNew: false });
  });

  it('can be written by many at once', async () => {
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => publish()));
    expect(outcomes.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await verifyVersion(store, 'birds', one.manifest.version)).toEqual([]);
  });

  it('are never changed: other content is refused, before and after the manifest', async () => {
    const { version } = one.manifest;
    await store.put(versionKey('birds', version, 'report.json'), new TextEncoder().encode('{}'));
    const error = await rejectionOf(publish());
    expect(error).toMatchObject({ code: 'conflict' });
    expect(error.hint).toContain('prune');
    await deleteVersion(store, 'birds', version);
    await publish();
    const files = one.manifest.files.slice(0, 1);
    expect(
      (await rejectionOf(writeVersion(store, 'birds', { ...one.manifest, files }, one.bodyOf))).code,
    ).toBe('conflict');
  });

  it('are not written with content unlike their manifest', async () => {
    for (const wrong of [
      new Uint8Array(one.bodyOf('report.json').length),
      new Uint8Array(3),
      new Uint8Array(99),
    ]) {
      const error = await rejectionOf(
        writeVersion(store, 'birds', one.manifest, (name) =>
          name === 'report.json' ? wrong : one.bodyOf(name),
        ),
      );
      expect(error.code).toBe('bad-artifact');
      expect(await store.head(versionKey('birds', one.manifest.version, 'report.json'))).toBeUndefined();
    }
  });

  it('are listed with what they hold, unfinished ones as such', async () => {
    const two = await smallVersion('two');
    await publish();
    await store.put(versionKey('birds', two.manifest.version, 'report.json'), new Uint8Array(7));
    await store.put('birds/versions/notes.txt', new Uint8Array(1));
    const listed = await listVersions(store, 'birds');
    const expected = [one.manifest.version, two.manifest.version].sort();
    expect(listed.map(({ version }) => version)).toEqual(expected);
    const unfinished = listed.find(({ version }) => version === two.manifest.version);
    expect(unfinished).toMatchObject({ isComplete: false, bytes: 7 });
    expect(listed.find(({ version }) => version === one.manifest.version)?.isComplete).toBe(true);
    expect(await listVersions(store, 'cats')).toEqual([]);
  });

  it('are gone after they were deleted', async () => {
    await publish();
    await store.put(`birds/versions/${one.manifest.version}/notes.txt`, new Uint8Array(1));
    await deleteVersion(store, 'birds', one.manifest.version);
    expect(await collect(store.list(''))).toEqual([]);
    expect((await rejectionOf(verifyVersion(store, 'birds', one.manifest.version))).code).toBe('not-found');
  });

  it('are refused by loader, stream and verify whichever byte has changed', async () => {
    await publish();
    const { version } = one.manifest;
    // What a channel promises along with the version.
    const manifestSha256 = await sha256Hex(encodeManifest(one.manifest));
    for (const name of ['detector.safetensors', 'report.json', 'manifest.json'] as const) {
      const key = versionKey('birds', version, name);
      const { body } = await store.get(key, { maxBytes: 1e6 });
      // A sample: load-detector.test.ts and manifest.test.ts change every byte.
      for (let at = 0; at < body.length; at += name === 'detector.safetensors' ? 97 : 7) {
        await store.put(key, body.with(at, body[at]! ^ 0x04));
        expect(await verifyVersion(store, 'birds', version)).not.toEqual([]);
        if (name !== 'report.json') {
          expect(
            (
              await rejectionOf(
                loadDetector(openVersion(store, 'birds', version), { version, manifestSha256 }),
              )
            ).code,
          ).toBe('bad-artifact');
        }
      }
      await store.put(key, body);
    }
  });

  it('are reported with missing, shortened and unlisted files', async () => {
    await publish();
    const { version } = one.manifest;
    await store.delete(versionKey('birds', version, 'report.json'));
    expect(await verifyVersion(store, 'birds', version)).toHaveLength(1);
    await store.put(versionKey('birds', version, 'report.json'), new Uint8Array(2));
    await store.put(versionKey('birds', version, 'report.html'), new Uint8Array(2));
    const problems = await verifyVersion(store, 'birds', version);
    expect(problems).toHaveLength(2);
    expect(problems.join()).toMatch(/report.json.*report.html: the manifest does not list it/);
  });

  it.each(['', '.', '..', 'a/b', 'a\\b', '-x', '.x', 'a b', 'ü', 'a\n', 'x'.repeat(101)])(
    'are not kept under the name %j',
    async (detector) => {
      expect((await rejectionOf(writeVersion(store, detector, one.manifest, one.bodyOf))).code).toBe(
        'bad-input',
      );
      expect((await rejectionOf(listVersions(store, detector))).code).toBe('bad-input');
    },
  );

  it.each(['', 'latest', '../../x', 'A'.repeat(64), 'a'.repeat(63)])('are not called %j', async (version) => {
    expect((await rejectionOf(verifyVersion(store, 'birds', version))).code).toBe('bad-input');
  });

  it('survive a kill at every store call: nothing or all is there, and a rerun succeeds', async () => {
    for (const moment of ['before', 'after']) {
      for (let call = 1; ; call++) {
        const detector = `birds-${moment}-${call}`;
        const [exitCode, signal] = await killAt(detector, moment, call);
        const [left] = await listVersions(store, detector);
        if (exitCode === 0) {
          // All calls were survived: there are at least pin, manifest, two files, manifest, pin.
          expect(call).toBeGreaterThan(6);
          expect(left?.isComplete).toBe(true);
          break;
        }
        expect(signal).toBe('SIGKILL');
        // Whatever calls itself whole is whole.
        if (left?.isComplete) expect(await verifyVersion(store, detector, one.manifest.version)).toEqual([]);
        const { isNew } = await writeVersion(store, detector, one.manifest, one.bodyOf);
        expect(isNew).toBe(left?.isComplete !== true);
        expect(await verifyVersion(store, detector, one.manifest.version)).toEqual([]);
      }
    }
  });

  function killAt(detector: string, moment: string, call: number) {
    const { address, options } = opened;
    const script = new URL('./killed-process.ts', import.meta.url);
    const child = fork(script, [
      'publish',
      address,
      JSON.stringify(options),
      detector,
      '',
      moment,
      String(call),
    ]);
    return once(child, 'exit');
  }

  it('get back a file that was lost', async () => {
    await publish();
    await store.delete(versionKey('birds', one.manifest.version, 'report.json'));
    expect(await publish()).toEqual({ isNew: false });
    expect(await verifyVersion(store, 'birds', one.manifest.version)).toEqual([]);
  });

  it('are not written while they are being pruned', async () => {
    await claimVersion(store, 'birds', one.manifest.version, { id: 'p', nowMs: 0 });
    expect((await rejectionOf(publish())).code).toBe('conflict');
    await releaseVersion(store, 'birds', one.manifest.version);
    await publish();
  });
});
