import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HimplosError } from '../../../shared/errors.ts';
import { claimVersion, listPins, pinVersion, releaseVersion } from '../../../shared/store/pins.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { type TestStore, testStores } from './test-stores.ts';

const version = 'a'.repeat(64);
const HOUR = 3_600_000;

describe.each(testStores)('pins in $kind', ({ open }) => {
  let opened: TestStore;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened.close());
  const pin = () => pinVersion(opened.store, 'birds', version);
  const claim = (id: string, nowMs = 0) => claimVersion(opened.store, 'birds', version, { id, nowMs });

  it('keep a promoted version from being pruned, for good', async () => {
    await pin();
    await pin();
    expect(await claim('a')).toBe(false);
    expect(await claim('a', 1e12)).toBe(false);
    expect(await listPins(opened.store, 'birds')).toEqual({
      promoted: new Set([version]),
      claimed: new Set(),
    });
  });

  it('keep a version that is being pruned from being promoted, until it is released', async () => {
    expect(await claim('a')).toBe(true);
    expect(await claim('a')).toBe(true);
    expect((await rejectionOf(pin())).code).toBe('conflict');
    expect(await listPins(opened.store, 'birds')).toEqual({
      promoted: new Set(),
      claimed: new Set([version]),
    });
    await releaseVersion(opened.store, 'birds', version);
    await pin();
  });

  it('leave a version to who prunes it, unless that died', async () => {
    expect(await claim('a', HOUR)).toBe(true);
    expect(await claim('b', 2 * HOUR)).toBe(false);
    expect(await claim('b', 2 * HOUR + 1)).toBe(true);
    expect(await claim('a', 2 * HOUR + 2)).toBe(false);
  });

  it('go to promoting or to pruning, never to both', async () => {
    for (let round = 0; round < 10; round++) {
      const rivals = [
        pin(),
        claim('a').then((isMine) => (isMine ? undefined : Promise.reject(new Error('lost')))),
      ];
      const outcomes = await Promise.allSettled(round % 2 === 0 ? rivals : rivals.reverse());
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      await releaseVersion(opened.store, 'birds', version);
    }
  });

  it('are not kept for what cannot be a version', async () => {
    for (const name of ['', '../x', 'A'.repeat(64)]) {
      await expect(pinVersion(opened.store, 'birds', name)).rejects.toThrow(HimplosError);
    }
  });
});
