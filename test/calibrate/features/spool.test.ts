import { createHash } from 'node:crypto';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Spool } from '../../../calibrate/features/spool.ts';
import { newFolder } from '../run-command.ts';

const WIDTH = 3;

/** The features of some rows, and digests that go with them. */
function rows(first: number, count: number) {
  return {
    features: Float32Array.from({ length: count * WIDTH }, (_, i) => first * WIDTH + i),
    digests: Array.from({ length: count }, (_, i) =>
      createHash('sha256')
        .update(String(first + i))
        .digest(),
    ),
  };
}

async function append(spool: Spool, first: number, count: number): Promise<void> {
  const { features, digests } = rows(first, count);
  await spool.append(features, digests);
}

function storedFeatures({ path }: Spool): number[] {
  const bytes = readFileSync(path);
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
}

describe('a spool', () => {
  it('keeps rows and their digests until it is opened again', async () => {
    const folder = newFolder();
    const first = await Spool.open(folder, 'key', WIDTH);
    await append(first, 0, 5);
    await append(first, 5, 2);
    await first.close();
    const again = await Spool.open(folder, 'key', WIDTH);
    expect(again.rows).toBe(7);
    expect(Buffer.from(await again.digests(4, 7)).equals(Buffer.concat(rows(4, 3).digests))).toBe(true);
    expect(storedFeatures(again)).toEqual([...rows(0, 7).features]);
    await again.close();
  });

  it('does not count what a kill left incomplete, and writes over it', async () => {
    const folder = newFolder();
    const spool = await Spool.open(folder, 'key', WIDTH);
    await append(spool, 0, 5);
    await spool.close();
    truncateSync(join(folder, 'key.sha256'), 3 * 32 + 7);
    const again = await Spool.open(folder, 'key', WIDTH);
    expect(again.rows).toBe(3);
    await append(again, 3, 4);
    await again.close();
    expect(storedFeatures(again)).toEqual([...rows(0, 7).features]);
    expect(statSync(join(folder, 'key.sha256')).size).toBe(7 * 32);
  });

  it('does not count digests without features', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'key.sha256'), new Uint8Array(10 * 32));
    writeFileSync(join(folder, 'key.f32'), new Uint8Array(2 * 4 * WIDTH + 5));
    const spool = await Spool.open(folder, 'key', WIDTH);
    expect(spool.rows).toBe(2);
    await spool.close();
  });

  it('forgets rows that are not wanted any more', async () => {
    const spool = await Spool.open(newFolder(), 'key', WIDTH);
    await append(spool, 0, 5);
    await spool.truncate(2);
    expect(spool.rows).toBe(2);
    await append(spool, 7, 1);
    expect(storedFeatures(spool)).toEqual([...rows(0, 2).features, ...rows(7, 1).features]);
    await spool.close();
  });

  it('that two runs fill at the same time holds every row once, in its place', async () => {
    const folder = newFolder();
    const one = await Spool.open(folder, 'key', WIDTH);
    await append(one, 0, 2);
    const two = await Spool.open(folder, 'key', WIDTH);
    await append(one, 2, 2);
    await append(two, 2, 2);
    await append(two, 4, 2);
    await append(one, 4, 2);
    await one.close();
    await two.close();
    expect(storedFeatures(one)).toEqual([...rows(0, 6).features]);
    const digests = readFileSync(join(folder, 'key.sha256'));
    expect(digests.equals(Buffer.concat(rows(0, 6).digests))).toBe(true);
  });
});
