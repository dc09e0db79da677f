import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSource, openSources } from '../../../calibrate/sources/open-source.ts';
import { encodeNpy } from '../../../shared/formats/npy.ts';
import { f32, u8 } from '../../../shared/tensor.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { makeTar } from './make-tar.ts';
import { listImages, listRows, openImages } from './read-source.ts';
import { temporaryFile, temporaryFolder } from './temporary-folder.ts';

describe('what is no source', () => {
  it.each([
    ['nowhere', 'not-found'],
    ['nowhere.npy', 'not-found'],
    ['nowhere.safetensors', 'not-found'],
    ['nowhere.tar.gz', 'not-found'],
    ['gs://bucket/data.tar', 'unsupported'],
  ])('%s is refused', async (address, code) => {
    const error = await rejectionOf(openSource(address));
    expect(error).toMatchObject({ code, message: expect.stringContaining(address) });
    expect(error.hint).toBeDefined();
  });

  it('a file of another kind is refused', async () => {
    const error = await rejectionOf(openSource(await temporaryFile('data.zip', 'PK')));
    expect(error.code).toBe('bad-usage');
    expect(error.hint).toContain('.tar');
  });

  it('a folder named as an array is refused', async () => {
    const folder = await temporaryFolder({ 'x.npy/a.txt': '' });
    expect((await rejectionOf(openSource(join(folder, 'x.npy')))).code).toBe('bad-input');
  });
});

it('one image is a source', async () => {
  const path = await temporaryFile('a.png', 'A');
  expect(await listImages(await openImages(path))).toEqual([`${path}=-:A`]);
});

describe('an aborted signal', () => {
  it('ends the survey and the samples of images', async () => {
    const folder = await temporaryFolder({ 'a/1.png': 'A', 'a/2.png': 'B' });
    const controller = new AbortController();
    const source = await openImages(folder, { signal: controller.signal });
    const seen: string[] = [];
    const error = await rejectionOf(
      (async () => {
        for await (const { name } of source.samples()) {
          seen.push(name);
          controller.abort();
        }
      })(),
    );
    expect(error.code).toBe('interrupted');
    expect(seen.length).toBeGreaterThan(0);
    expect((await rejectionOf(source.survey())).code).toBe('interrupted');
  });
});

describe('several sources for one role', () => {
  it('of images are joined in the order given, whatever their kinds', async () => {
    const folder = await temporaryFolder({ 'set/cat/1.png': 'F1', 'set/dog/1.png': 'F2' });
    const tar = await temporaryFile(
      'more.tar',
      await makeTar([['cat/1.png', 'T1'], { name: 'dog', type: 'directory' }]),
    );
    const source = await openSources([join(folder, 'set'), tar]);
    if (source.kind !== 'images') throw new Error('expected images');
    expect(await listImages(source)).toEqual([
      `${join(folder, 'set')}:cat/1.png=cat:F1`,
      `${join(folder, 'set')}:dog/1.png=dog:F2`,
      `${tar}:cat/1.png=cat:T1`,
    ]);
    expect(await source.survey()).toEqual({
      samples: 3,
      classes: new Map([
        ['cat', 2],
        ['dog', 1],
      ]),
      emptyClasses: [],
      labelsAreIndices: false,
      ignored: 0,
    });
  });

  it('are numbered only where all labels are', async () => {
    const folder = await temporaryFolder({
      'a.txt': 'x.png 1',
      'b.txt': 'x.png 0',
      'x.png': '',
      'set/1/x.png': '',
    });
    const isNumbered = async (...names: string[]) => {
      const source = await openSources(names.map((name) => join(folder, name)));
      return source.kind === 'images' && (await source.survey()).labelsAreIndices;
    };
    expect(await isNumbered('a.txt', 'b.txt')).toBe(true);
    expect(await isNumbered('a.txt', 'set')).toBe(false);
  });

  it('of features are joined with their labels', async () => {
    const folder = await temporaryFolder({
      'a.npy': encodeNpy(f32(Float32Array.of(1, 2, 3, 4), 2, 2)),
      'b.npy': encodeNpy(f32(Float32Array.of(5, 6), 1, 2)),
      'wide.npy': encodeNpy(f32(Float32Array.of(5, 6, 7), 1, 3)),
      'la.npy': encodeNpy(u8(Uint8Array.of(3, 4), 2)),
      'lb.npy': encodeNpy(u8(Uint8Array.of(5), 1)),
    });
    const at = (name: string) =>
      name
        .split(':')
        .map((part) => join(folder, part))
        .join(':');
    const source = await openSources([at('a.npy:la.npy'), at('b.npy:lb.npy')]);
    if (source.kind !== 'features') throw new Error('expected features');
    expect(source).toMatchObject({ rows: 3, width: 2, labels: Int32Array.of(3, 4, 5) });
    expect(await listRows(source, 2)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const unlike = await rejectionOf(openSources([at('a.npy'), at('wide.npy')]));
    expect(unlike).toMatchObject({ code: 'bad-input', message: expect.stringContaining('wide.npy') });
    const unlabelled = await rejectionOf(openSources([at('a.npy:la.npy'), at('b.npy')]));
    expect(unlabelled).toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('b.npy has no labels'),
    });
  });

  it('are images or features, not both, and at least one', async () => {
    const folder = await temporaryFolder({
      'a.npy': encodeNpy(f32(new Float32Array(1), 1, 1)),
      'b/1.png': '',
    });
    const mixed = await rejectionOf(openSources([join(folder, 'a.npy'), join(folder, 'b')]));
    expect(mixed.code).toBe('bad-usage');
    expect((await rejectionOf(openSources([]))).code).toBe('bad-usage');
  });
});
