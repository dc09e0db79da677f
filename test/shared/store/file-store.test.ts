import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeFile } from '../../../shared/store/file-change.ts';
import { openFileStore } from '../../../shared/store/file-store.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { collect, describeObjectStore, readText, streamOf } from './contract-suite.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describeObjectStore('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'himplos-store-'));
  return {
    usesMemory: true,
    store: openFileStore(join(folder, 'root')),
    close: () => rm(folder, { recursive: true }),
  };
});

describe('a folder as a store', () => {
  let folder: string;
  let staging: string;
  let store: ObjectStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'himplos-store-'));
    staging = join(folder, '.staging');
    store = openFileStore(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function findLock(): Promise<string> {
    return (await readdir(staging)).find((name) => name.startsWith('lock-'))!;
  }

  /** Leaves the lock of `k` as a writer would that was killed while it held it. */
  async function leaveLock(): Promise<void> {
    let lock = '';
    const copyAndFail = async () => {
      lock = await findLock();
      await cp(join(staging, lock), join(folder, '.copy'), { recursive: true });
      throw new Error('killed here');
    };
    const body = bytes('never committed');
    await changeFile(folder, join(folder, 'k'), { body, check: copyAndFail }).catch(() => {});
    await rename(join(folder, '.copy'), join(staging, lock));
  }

  it('leaves nothing behind after writes, refusals and failures', async () => {
    await store.put('a/b', bytes('x'));
    await rejectionOf(store.put('a/b', bytes('y'), { ifNoneMatch: '*' }));
    await rejectionOf(store.put('a/b', bytes('y'), { ifMatch: 'other' }));
    await store.put('c', { ...streamOf(5), bytes: 6 }).catch(() => {});
    expect(await readdir(staging)).toEqual([]);
    await store.delete('a/b');
    expect((await readdir(folder)).sort()).toEqual(['.staging']);
  });

  it('takes over from a writer that died holding the lock', async () => {
    const { etag } = await store.put('k', bytes('one'));
    await leaveLock();
    await store.put('k', bytes('two'), { ifMatch: etag });
    expect(await readText(store, 'k')).toBe('two');
    expect(await readdir(staging)).toEqual([]);
  });

  it('changes nothing when its lock was taken away while it was checking', async () => {
    await store.put('k', bytes('one'));
    const steal = async () => rename(join(staging, await findLock()), join(staging, 'stolen'));
    for (const body of [bytes('two'), undefined]) {
      const error = await rejectionOf(changeFile(folder, join(folder, 'k'), { body, check: steal }));
      expect(error).toMatchObject({ code: 'unavailable', hint: 'run it again' });
      expect(await readText(store, 'k')).toBe('one');
      await rm(join(staging, 'stolen'), { recursive: true });
    }
    await store.put('k', bytes('three'));
    expect(await readText(store, 'k')).toBe('three');
  });

  it('does not disturb who took its lock over', async () => {
    const { etag } = await store.put('k', bytes('one'));
    const beOvertaken = async () => {
      await rename(join(staging, await findLock()), join(staging, 'stolen'));
      await store.put('k', bytes('two'), { ifMatch: etag });
    };
    await rejectionOf(changeFile(folder, join(folder, 'k'), { body: bytes('late'), check: beOvertaken }));
    expect(await readText(store, 'k')).toBe('two');
  });

  it('sweeps what dead writers left, but not what is young', async () => {
    await store.put('k', bytes('one'));
    await leaveLock();
    await mkdir(join(staging, 'abandoned/x'), { recursive: true });
    expect(await store.sweep(3_600_000)).toBe(0);
    expect(await store.sweep(-1000)).toBe(2);
    expect(await readdir(staging)).toEqual([]);
  });

  it('ignores files a person put there with a leading dot', async () => {
    await store.put('k', bytes('x'));
    await writeFile(join(folder, '.DS_Store'), 'x');
    expect((await collect(store.list(''))).map(({ key }) => key)).toEqual(['k']);
  });

  it('loses no increment among processes that are killed at random', async () => {
    await store.put('count', bytes('0'));
    const children = Array.from({ length: 4 }, () =>
      fork(new URL('./increment-process.ts', import.meta.url), [folder, 'count', '25'], { stdio: 'inherit' }),
    );
    const exits = children.map((child) => once(child, 'exit'));
    setTimeout(() => children[3]!.kill('SIGKILL'), 400);
    const done = (await Promise.all(exits)).filter(([code]) => code === 0).length;
    const count = Number(await readText(store, 'count'));
    expect(done).toBeGreaterThanOrEqual(3);
    expect(count).toBeGreaterThanOrEqual(done * 25);
    expect(count).toBeLessThanOrEqual(100);
  });
});
