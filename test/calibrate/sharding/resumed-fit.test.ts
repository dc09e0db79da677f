import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fitFromSets } from '../../../calibrate/calibration/calibrate-detector.ts';
import type { CalibrationData } from '../../../calibrate/calibration/gather-inputs.ts';
import type { FeatureSet } from '../../../calibrate/features/feature-set.ts';
import { fitInParts } from '../../../calibrate/sharding/resumed-fit.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import { findDetector } from '../../../shared/methods/registry.ts';
import { randomNormals } from '../../shared/random.ts';
import { newFolder } from '../run-command.ts';

const WIDTH = 12;
const CLASSES = 4;
const ROWS = 2500;
const ROW_BYTES = 4 * WIDTH;
const { signal } = new AbortController();
const options = { warn: () => {}, signal };
const normal = randomNormals(11);
const head: Head = {
  classes: CLASSES,
  width: WIDTH,
  weight: Float32Array.from({ length: CLASSES * WIDTH }, normal),
  bias: new Float32Array(CLASSES),
};
const values = Float32Array.from({ length: ROWS * WIDTH }, () => Math.abs(normal()));

/** A set of rows, of which every `gap`-th sample was passed over, that counts what is read and may end early. */
function makeSet(rows: number, gap = Number.POSITIVE_INFINITY, digest = '0') {
  const positions = [...Array(2 * rows).keys()].filter((position) => position % gap !== 0).slice(0, rows);
  const read = { rows: 0, limit: Number.POSITIVE_INFINITY };
  const set: FeatureSet = {
    ...{ role: 'train', kind: 'features', rows, width: WIDTH, digest: digest.repeat(64), skipped: 0 },
    samples: positions.at(-1)! + 1,
    labels: Int32Array.from({ length: rows }, (_, row) => row % CLASSES),
    positionOf: (row) => positions[row]!,
    nameOf: String,
    async *batches(limit, { first, end } = { first: 0, end: rows }) {
      for (let row = first; row < end; row += limit) {
        const count = Math.min(limit, end - row);
        if (read.rows + count > read.limit) throw new Error('killed');
        read.rows += count;
        yield { rows: count, firstRow: row, features: values.slice(row * WIDTH, (row + count) * WIDTH) };
      }
    },
  };
  return { set, read };
}

function dataOf(train: FeatureSet): CalibrationData {
  const sets = { train, calibration: makeSet(300).set, evaluation: undefined, ood: [] };
  return { head, sets } as unknown as CalibrationData;
}

/** Part size for `count` parts. */
const partsOf = (count: number) => Math.ceil((ROWS * ROW_BYTES) / count);

describe('a fit that keeps what it has summed up', () => {
  it.each(['himplos', 'vim', 'tempscale', 'knn', 'vra'])('%s comes out the same', async (method) => {
    const detector = findDetector(method);
    for (const gap of [Number.POSITIVE_INFINITY, 7]) {
      const data = dataOf(makeSet(ROWS, gap).set);
      const folder = newFolder();
      const fitted = await fitInParts(folder, partsOf(5))(detector, data, options);
      expect(fitted).toEqual(await fitFromSets(detector, data, options));
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it.each([
    ['himplos', 1800, 1],
    ['vim', ROWS + 900, 2],
  ])('%s goes on after the last whole part', async (method, limit, passes) => {
    const detector = findDetector(method);
    const folder = newFolder();
    const killed = makeSet(ROWS, 7);
    killed.read.limit = limit;
    await expect(fitInParts(folder, partsOf(5))(detector, dataOf(killed.set), options)).rejects.toThrow(
      'killed',
    );
    const again = makeSet(ROWS, 7);
    const data = dataOf(again.set);
    const fitted = await fitInParts(folder, partsOf(5))(detector, data, options);
    // At most a part, rounded to blocks, is read twice.
    expect(again.read.rows).toBeLessThanOrEqual(passes * ROWS - killed.read.rows + ROWS / 5 + 128);
    expect(again.read.rows).toBeGreaterThanOrEqual(passes * ROWS - killed.read.rows);
    expect(fitted).toEqual(await fitFromSets(detector, data, options));
  });

  it('sums up a part anew that is not as it was written, or not there any more', async () => {
    const himplos = findDetector('himplos');
    const data = dataOf(makeSet(ROWS).set);
    const expected = await fitFromSets(himplos, data, options);
    const damages = [
      (file: string) => writeFileSync(file, ''),
      (file: string) => writeFileSync(file, readFileSync(file).subarray(0, -1)),
      (file: string) =>
        writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, -1), Buffer.of(77)])),
      (file: string) => writeFileSync(file, readFileSync(file).fill(7, 20, 30)),
      (file: string) => rmSync(file),
    ];
    for (const damage of damages) {
      const folder = newFolder();
      const killed = makeSet(ROWS);
      killed.read.limit = 1800;
      await expect(fitInParts(folder, partsOf(5))(himplos, dataOf(killed.set), options)).rejects.toThrow(
        'killed',
      );
      const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      );
      expect(files.length).toBeGreaterThan(1);
      damage(join(files[0]!.parentPath, files[0]!.name));
      const again = makeSet(ROWS);
      expect(await fitInParts(folder, partsOf(5))(himplos, dataOf(again.set), options)).toEqual(expected);
      expect(again.read.rows).toBeLessThan(ROWS);
    }
  });

  it('uses nothing that is of other data, another method or other gaps', async () => {
    const folder = newFolder();
    const killed = makeSet(ROWS, 7);
    killed.read.limit = 1800;
    const himplos = findDetector('himplos');
    await expect(fitInParts(folder, partsOf(5))(himplos, dataOf(killed.set), options)).rejects.toThrow(
      'killed',
    );
    for (const [detector, other] of [
      [himplos, makeSet(ROWS, 7, '1')],
      [himplos, makeSet(ROWS, 8)],
      [findDetector('himplos:mask=10'), makeSet(ROWS, 7)],
    ] as const) {
      await fitInParts(folder, partsOf(5))(detector, dataOf(other.set), options);
      expect(other.read.rows).toBe(ROWS);
    }
  });

  it('of one part keeps nothing', async () => {
    const killed = makeSet(ROWS);
    killed.read.limit = 1800;
    const folder = newFolder();
    const fitDetector = fitInParts(folder, partsOf(1));
    await expect(fitDetector(findDetector('himplos'), dataOf(killed.set), options)).rejects.toThrow('killed');
    expect(readdirSync(folder)).toEqual([]);
  });
});
