import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DigestSet } from '../../../calibrate/sources/digest-set.ts';
import { OverlapFinder, requireHeldOut } from '../../../calibrate/sources/overlap.ts';
import { rowDigest, SourceDigest } from '../../../calibrate/sources/source-digest.ts';
import { failureOf } from '../../shared/formats/expect-failure.ts';

const digestOf = (content: string | number) => createHash('sha256').update(String(content)).digest();

describe('a set of digests', () => {
  it('knows what was added, through every growth', () => {
    const set = new DigestSet();
    const added = Array.from({ length: 5000 }, (_, i) => set.add(digestOf(i)));
    expect(added.every((isNew) => isNew)).toBe(true);
    expect(set.size).toBe(5000);
    expect(Array.from({ length: 5000 }, (_, i) => set.add(digestOf(i))).some((isNew) => isNew)).toBe(false);
    expect(Array.from({ length: 5000 }, (_, i) => set.has(digestOf(i + 5000))).some((has) => has)).toBe(
      false,
    );
  });

  it('holds contents that share a slot, and the digest of zeros', () => {
    const set = new DigestSet();
    const near = [0, 1, 2].map((last) => Uint8Array.from({ length: 32 }, (_, i) => (i === 7 ? last : 0)));
    expect(near.map((digest) => set.add(digest))).toEqual([true, true, true]);
    expect(near.map((digest) => set.has(digest))).toEqual([true, true, true]);
  });
});

/** Roles by the contents in them. */
function overlapsOf(roles: Readonly<Record<string, readonly (string | number)[]>>) {
  const finder = new OverlapFinder();
  for (const [role, contents] of Object.entries(roles)) {
    contents.forEach((content, i) => {
      finder.add(role, digestOf(content), `${role}${i}`);
    });
  }
  return finder.overlaps();
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('contents in two roles', () => {
  it('are found, counted once and named', () => {
    expect(overlapsOf({ train: ['a', 'b', 'c', 'd'], calibration: ['x', 'b', 'b', 'a'] })).toEqual([
      { roles: ['train', 'calibration'], count: 2, share: 2 / 3, examples: ['calibration1', 'calibration3'] },
    ]);
  });

  it('are no matter inside one role', () => {
    expect(overlapsOf({ train: ['a', 'a'], calibration: ['b'] })).toEqual([]);
  });

  it('are listed for every pair, the largest share first', () => {
    const overlaps = overlapsOf({ a: range(0, 100), b: range(90, 190), c: range(60, 80) });
    expect(overlaps.map(({ roles, share }) => [...roles, share])).toEqual([
      ['a', 'c', 1],
      ['a', 'b', 0.1],
    ]);
  });

  it('are refused past 1 % of the smaller role, unless asked for', () => {
    const few = overlapsOf({ train: range(0, 1000), calibration: range(999, 1099) });
    expect(few[0]!.share).toBe(0.01);
    expect(() => requireHeldOut(few, false)).not.toThrow();
    const many = overlapsOf({ train: range(0, 1000), calibration: range(998, 1098) });
    expect(() => requireHeldOut(many, true)).not.toThrow();
    const failure = failureOf(() => requireHeldOut(many, false));
    expect(failure).toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('train and calibration share 2'),
    });
    expect(failure.hint).toContain('--allow-overlap');
  });
});

describe('the digest of a source', () => {
  const digestOfRows = (rows: readonly (readonly [string, number])[]) => {
    const digest = new SourceDigest();
    for (const [content, label] of rows) digest.add(digestOf(content), label);
    return digest.hex();
  };

  it('depends on contents, labels and their order', () => {
    const digest = digestOfRows([
      ['a', 0],
      ['b', -1],
    ]);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(
      digestOfRows([
        ['a', 0],
        ['b', -1],
      ]),
    ).toBe(digest);
    for (const other of [
      [
        ['b', -1],
        ['a', 0],
      ],
      [
        ['a', 0],
        ['b', 1],
      ],
      [['a', 0]],
      [
        ['a', 0],
        ['c', -1],
      ],
    ] as const) {
      expect(digestOfRows(other as never)).not.toBe(digest);
    }
  });

  it('of a row is the sha256 of its bytes', () => {
    const features = Float32Array.of(1, 2, 3, 4);
    const expected = createHash('sha256').update(Float32Array.of(3, 4)).digest();
    expect(Buffer.from(rowDigest(features, 2, 1)).equals(expected)).toBe(true);
  });
});
