import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HimplosError } from '../../../shared/errors.ts';
import { encodeChannel } from '../../../shared/store/channel-document.ts';
import {
  type ChangeNote,
  listChannels,
  promote,
  promotedVersions,
  readChannel,
  readChannelIfChanged,
  rollback,
} from '../../../shared/store/channels.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { claimVersion, listPins, releaseVersion } from '../../../shared/store/pins.ts';
import { writeVersion } from '../../../shared/store/versions.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { smallVersion } from './small-version.ts';
import { type TestStore, testStores } from './test-stores.ts';

const address = { detector: 'birds', channel: 'production' };
let changes = 0;
const note = (more: Partial<ChangeNote> = {}): ChangeNote => ({
  id: `change-${++changes}`,
  at: '2026-01-01T00:00:00Z',
  by: null,
  reason: null,
  isForced: false,
  ...more,
});

describe.each(testStores)('channels in $kind', ({ open }) => {
  let opened: TestStore;
  let store: ObjectStore;
  let versions: Record<string, string>;
  beforeEach(async () => {
    opened = await open();
    store = opened.store;
    versions = {};
    for (const name of ['one', 'two', 'three']) {
      const { manifest, bodyOf } = await smallVersion(name);
      await writeVersion(store, 'birds', manifest, bodyOf);
      versions[name] = manifest.version;
    }
  });
  afterEach(() => opened.close());

  const current = () => readChannel(store, address);
  const promoteTo = async (name: string, more: Partial<ChangeNote> = {}) =>
    promote(store, address, { from: await current(), version: versions[name]!, note: note(more) });
  const goBack = async () => rollback(store, address, { from: (await current())!, note: note() });

  it('point nowhere until something was promoted', async () => {
    expect(await current()).toBeUndefined();
    expect(await listChannels(store, 'birds')).toEqual([]);
  });

  it('keep version, manifest, generation, predecessor and who changed what', async () => {
    await promoteTo('one', { by: 'ada' });
    const state = await promoteTo('two', { reason: 'better', isForced: true });
    expect(state).toEqual(await current());
    expect(state.document).toMatchObject({
      generation: 2,
      version: versions.two,
      previous: versions.one,
      history: [
        { generation: 1, action: 'promote', by: 'ada', version: versions.one },
        { generation: 2, action: 'promote', reason: 'better', isForced: true, returnsTo: 1 },
      ],
    });
    expect(state.document.manifestSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await listChannels(store, 'birds')).toEqual(['production']);
  });

  it('go back step by step to the first version, and no further', async () => {
    for (const name of ['one', 'two', 'three']) await promoteTo(name);
    expect((await goBack()).document).toMatchObject({ version: versions.two, previous: versions.one });
    expect((await goBack()).document).toMatchObject({ version: versions.one, previous: null, generation: 5 });
    expect((await rejectionOf(goBack())).code).toBe('bad-usage');
    expect((await promoteTo('three')).document).toMatchObject({ previous: versions.one });
    expect((await goBack()).document.version).toBe(versions.one);
  });

  it('refuse versions that are not whole, and the one they point to already', async () => {
    const version = 'f'.repeat(64);
    const error = await rejectionOf(promote(store, address, { from: undefined, version, note: note() }));
    expect(error.code).toBe('not-found');
    await promoteTo('one');
    expect((await rejectionOf(promoteTo('one'))).code).toBe('bad-usage');
  });

  it('let one of fifty concurrent promotions win each generation, tell the others, and keep the history whole', async () => {
    for (let generation = 1; generation <= 3; generation++) {
      const from = await current();
      const notes = Array.from({ length: 50 }, (_, i) => note({ by: `writer ${i}` }));
      const version = versions[['one', 'two', 'three'][generation - 1]!]!;
      const outcomes = await Promise.allSettled(
        notes.map((n) => promote(store, address, { from, version, note: n })),
      );
      const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
      expect(winners).toHaveLength(1);
      const state = (await current())!;
      expect(state.document).toMatchObject({ generation, version });
      expect(state.document.history.at(-1)!.by).toBe(`writer ${winners[0]}`);
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue;
        expect(outcome.reason).toMatchObject({ code: 'conflict' });
        expect((outcome.reason as Error).message).toContain(`by writer ${winners[0]}`);
      }
    }
    expect((await current())!.document.history.map(({ generation }) => generation)).toEqual([1, 2, 3]);
  });

  it('know their own change when the answer to it was lost', async () => {
    await promoteTo('one');
    for (const code of ['conflict', 'unavailable'] as const) {
      const from = await current();
      // The write takes place, but the writer sees a failure, as after a retried request.
      const forgetful: ObjectStore = {
        ...store,
        put: async (...args) => {
          const answer = await store.put(...args);
          if (!args[0].includes('/channels/')) return answer;
          throw new HimplosError(code, 'the answer was lost');
        },
      };
      const version = versions[code === 'conflict' ? 'two' : 'three']!;
      const state = await promote(forgetful, address, { from, version, note: note() });
      expect(state.document.version).toBe(version);
      expect(state).toEqual(await current());
    }
  });

  it('pass on that the store is unavailable when nothing was written', async () => {
    const fault = new HimplosError('unavailable', 'no answer');
    const broken: ObjectStore = { ...store, put: () => Promise.reject(fault) };
    const change = { from: undefined, version: versions.one!, note: note() };
    await expect(promote(broken, address, change)).rejects.toBe(fault);
    expect(await current()).toBeUndefined();
  });

  it('tell cheaply whether they have changed', async () => {
    const first = await promoteTo('one');
    expect(await readChannelIfChanged(store, address, first)).toBeUndefined();
    const second = await promoteTo('two');
    expect(await readChannelIfChanged(store, address, first)).toEqual(second);
  });

  it('never point to a version that is being pruned', async () => {
    expect(await claimVersion(store, 'birds', versions.one!, { id: 'p', nowMs: Date.now() })).toBe(true);
    expect((await rejectionOf(promoteTo('one'))).code).toBe('conflict');
    await releaseVersion(store, 'birds', versions.one!);
    await promoteTo('one');
    expect(await claimVersion(store, 'birds', versions.one!, { id: 'p', nowMs: Date.now() })).toBe(false);
    expect((await listPins(store, 'birds')).promoted).toEqual(new Set([versions.one]));
  });

  it('name every version they point or pointed to', async () => {
    await promoteTo('one');
    await promoteTo('two');
    await promote(
      store,
      { ...address, channel: 'canary' },
      { from: undefined, version: versions.two!, note: note() },
    );
    expect(await promotedVersions(store, 'birds')).toEqual(
      new Map([
        [versions.two, ['canary', 'production']],
        [versions.one, ['production']],
      ]),
    );
  });

  it('are refused when any byte of their file has changed so that it contradicts itself', async () => {
    await promoteTo('one', { by: 'x' });
    await promoteTo('two');
    const key = 'birds/channels/production.json';
    const { body } = await store.get(key, { maxBytes: 1e6 });
    const { document } = (await current())!;
    for (let at = 0; at < body.length; at += 3) {
      await store.put(key, body.with(at, body[at]! ^ 0x04));
      const outcome = await current().catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'bad-artifact' });
      // Notes of the past have nothing that would contradict a change.
      else expect(outcome).toMatchObject({ document: { generation: 2, version: document.version } });
    }
    for (let length = 0; length < body.length; length += 5) {
      await store.put(key, body.subarray(0, length));
      expect((await rejectionOf(current())).code).toBe('bad-artifact');
    }
  });

  it('do not grow without bound', () => {
    const change = {
      ...note({ reason: 'x'.repeat(1000) }),
      generation: 1,
      version: 'a'.repeat(64),
      manifestSha256: 'b'.repeat(64),
      action: 'promote' as const,
      returnsTo: null,
    };
    expect(() => encodeChannel(Array.from({ length: 4000 }, () => change))).toThrow(HimplosError);
  });

  it.each(['..', 'a/b', '', 'x\n', 'x'.repeat(101)])('are not called %j', async (channel) => {
    expect((await rejectionOf(readChannel(store, { ...address, channel }))).code).toBe('bad-input');
  });

  it('survive a kill at every store call of a promotion: old or new, and a rerun succeeds', async () => {
    for (const moment of ['before', 'after']) {
      for (let call = 1; ; call++) {
        const channel = `${moment}-${call}`;
        const target = { detector: 'birds', channel };
        const [exitCode, signal] = await killAt(channel, moment, call);
        const state = await readChannel(store, target);
        if (exitCode === 0) {
          // All calls were survived: there are at least channel, manifest, pin, manifest, channel.
          expect(call).toBeGreaterThan(5);
          expect(state?.document.version).toBe(versions.one);
          break;
        }
        expect(signal).toBe('SIGKILL');
        expect([undefined, versions.one]).toContain(state?.document.version);
        const change = { from: state, version: versions.two!, note: note() };
        expect((await promote(store, target, change)).document.version).toBe(versions.two);
      }
    }
  });

  function killAt(channel: string, moment: string, call: number) {
    const { address: where, options } = opened;
    const script = new URL('./killed-process.ts', import.meta.url);
    const child = fork(script, [
      'promote',
      where,
      JSON.stringify(options),
      'birds',
      channel,
      moment,
      String(call),
    ]);
    return once(child, 'exit');
  }
});
