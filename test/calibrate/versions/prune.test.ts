import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PruneOptions, pruneVersions } from '../../../calibrate/versions/prune.ts';
import { verifyDetector } from '../../../calibrate/versions/verify.ts';
import { HimplosError } from '../../../shared/errors.ts';
import { promote, readChannel } from '../../../shared/store/channels.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { listPins } from '../../../shared/store/pins.ts';
import { versionKey } from '../../../shared/store/version-keys.ts';
import { listVersions, writeVersion } from '../../../shared/store/versions.ts';
import { smallVersion } from '../../shared/store/small-version.ts';
import { type TestStore, testStores } from '../../shared/store/test-stores.ts';

const HOUR = 3_600_000;

describe.each(testStores)('pruning in $kind', ({ open }) => {
  let opened: TestStore;
  let store: ObjectStore;
  beforeEach(async () => {
    opened = await open();
    store = opened.store;
  });
  afterEach(() => opened.close());

  const prune = (more: Partial<PruneOptions> = {}, from = store) =>
    pruneVersions(from, 'birds', { keep: 0, graceMs: HOUR, nowMs: Date.now(), id: 'prune', ...more });
  const publish = async (name: string) => {
    const { manifest, bodyOf } = await smallVersion(name);
    await writeVersion(store, 'birds', manifest, bodyOf);
    return manifest.version;
  };
  const promoteTo = async (version: string, channel = 'production') => {
    const address = { detector: 'birds', channel };
    const note = {
      id: version + channel,
      at: '2026-01-01T00:00:00Z',
      by: null,
      reason: null,
      isForced: false,
    };
    await promote(store, address, { from: await readChannel(store, address), version, note });
  };
  const remaining = async () => (await listVersions(store, 'birds')).map(({ version }) => version).sort();

  it('keeps the newest, and everything a channel points or pointed to', async () => {
    const [past, present, old, newest] = [
      await publish('a'),
      await publish('b'),
      await publish('c'),
      await publish('d'),
    ];
    await promoteTo(past);
    await promoteTo(present);
    // File systems and S3 date to the second at worst: the newest is the one of the latest time.
    const dated: ObjectStore = {
      ...store,
      async *list(prefix, options) {
        for await (const object of store.list(prefix, options)) {
          const isNewest = object.key.includes(newest);
          yield isNewest ? { ...object, modifiedMs: object.modifiedMs + HOUR } : object;
        }
      },
    };
    const dry = await prune({ keep: 1, isDryRun: true }, dated);
    expect(dry.removed.map(({ version }) => version)).toEqual([old]);
    expect(await remaining()).toHaveLength(4);
    const result = await prune({ keep: 1 }, dated);
    expect(result).toMatchObject({ removed: [{ version: old, why: 'old' }] });
    expect([...result.spared].sort()).toEqual([past, present].sort());
    expect(await remaining()).toEqual([past, present, newest].sort());
    expect((await verifyDetector(store, 'birds')).problems).toEqual([]);
    expect((await listPins(store, 'birds')).claimed).toEqual(new Set());
  });

  it('finds what an interrupted publish left, once that is old', async () => {
    const { manifest, files } = await smallVersion('left');
    await store.put(versionKey('birds', manifest.version, 'report.json'), files['report.json']!);
    expect((await prune()).removed).toEqual([]);
    const later = { nowMs: Date.now() + 2 * HOUR };
    expect((await prune({ ...later, isDryRun: true })).removed).toHaveLength(1);
    expect((await prune(later)).removed).toMatchObject([{ version: manifest.version, why: 'unfinished' }]);
    expect(await remaining()).toEqual([]);
    await publish('left');
  });

  it('spares a promoted version even when listings show neither its channel nor its pin', async () => {
    const version = await publish('a');
    await promoteTo(version);
    const stale: ObjectStore = {
      ...store,
      async *list(prefix, options) {
        for await (const object of store.list(prefix, options)) {
          if (!/channels|pins/.test(object.key)) yield object;
        }
      },
    };
    expect(await prune({}, stale)).toMatchObject({ removed: [], spared: [version] });
    expect((await verifyDetector(store, 'birds')).problems).toEqual([]);
  });

  it('races with promotions without ever removing what was promoted', async () => {
    for (let round = 0; round < 5; round++) {
      const version = await publish(`round ${round}`);
      const outcomes = await Promise.allSettled([promoteTo(version, `channel-${round}`), prune()]);
      const state = await readChannel(store, { detector: 'birds', channel: `channel-${round}` });
      if (state === undefined) {
        expect(outcomes[0]).toMatchObject({
          status: 'rejected',
          reason: { code: expect.stringMatching(/conflict|not-found/) },
        });
        expect(await remaining()).not.toContain(version);
      } else expect(await remaining()).toContain(version);
      expect((await verifyDetector(store, 'birds')).problems).toEqual([]);
    }
  });

  it('is finished by the next one when it dies in the middle', async () => {
    const version = await publish('a');
    for (let deletions = 0; deletions < 6; deletions++) {
      let left = deletions;
      const mortal: ObjectStore = {
        ...store,
        delete: async (...args) => {
          if (left-- === 0) throw new HimplosError('interrupted', 'killed');
          await store.delete(...args);
        },
      };
      await prune({}, mortal).catch(() => {});
      // Nothing that is left calls itself whole and is not.
      expect((await verifyDetector(store, 'birds')).problems).toEqual([]);
      const outcome = await publish('a').catch((error: unknown) => error);
      expect(outcome).toMatchObject({ code: 'conflict' });
      await prune({ nowMs: Date.now() + 2 * HOUR });
      expect(await remaining()).toEqual([]);
      expect(await publish('a')).toBe(version);
    }
  });

  it('gives back what a dead one had reserved when it is to be kept after all', async () => {
    const version = await publish('a');
    const mortal: ObjectStore = {
      ...store,
      delete: () => Promise.reject(new HimplosError('interrupted', 'killed')),
    };
    await prune({}, mortal).catch(() => {});
    await prune({ keep: 1, id: 'another', nowMs: Date.now() + 2 * HOUR });
    await promoteTo(version);
  });

  it('sweeps uploads and temporary files that were never finished, but not when it only looks', async () => {
    const asked: number[] = [];
    const sweeping: ObjectStore = {
      ...store,
      sweep: async (olderThanMs) => {
        asked.push(olderThanMs);
        return 3;
      },
    };
    expect((await prune({ isDryRun: true }, sweeping)).swept).toBe(0);
    expect((await prune({}, sweeping)).swept).toBe(3);
    expect(asked).toEqual([HOUR]);
  });
});
