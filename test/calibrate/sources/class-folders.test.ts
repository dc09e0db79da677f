import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { listImages, openImages } from './read-source.ts';
import { temporaryFolder } from './temporary-folder.ts';

describe('a folder of class folders', () => {
  it('gives every image with its class, by path, whatever the order on disk', async () => {
    const folder = await temporaryFolder({
      'dog/b.png': 'D2',
      'cat/10.jpg': 'C3',
      'cat/2.jpeg': 'C4',
      'cat.big/1.jpg': 'B1',
      'cat/deep/er/x.webp': 'C5',
      'dog/a.JPG': 'D1',
    });
    // '.' sorts before '/': whole paths are compared, as `LC_ALL=C sort` has them.
    expect(await listImages(await openImages(folder))).toEqual([
      'cat.big/1.jpg=cat.big:B1',
      'cat/10.jpg=cat:C3',
      'cat/2.jpeg=cat:C4',
      'cat/deep/er/x.webp=cat:C5',
      'dog/a.JPG=dog:D1',
      'dog/b.png=dog:D2',
    ]);
  });

  it('counts classes, empty classes and what it passes over, without reading', async () => {
    const folder = await temporaryFolder({
      'b/1.png': '',
      'a/1.png': '',
      'a/2.png': '',
      'a/notes.txt': '',
      'a/.hidden.png': '',
      '.cache/1.png': '',
      'README.md': '',
    });
    await mkdir(join(folder, 'empty'));
    const survey = await (await openImages(folder)).survey();
    expect(survey).toEqual({
      samples: 3,
      classes: new Map([
        ['a', 2],
        ['b', 1],
      ]),
      emptyClasses: ['empty'],
      labelsAreIndices: false,
      ignored: 4,
    });
  });

  it('takes numbers as folder names for names', async () => {
    const folder = await temporaryFolder({ '0/a.png': '', '1/a.png': '' });
    expect((await (await openImages(folder)).survey()).labelsAreIndices).toBe(false);
  });

  it('reads a flat folder as images without classes', async () => {
    const folder = await temporaryFolder({ 'b.png': 'B', 'a.png': 'A' });
    const source = await openImages(folder);
    expect(await listImages(source)).toEqual(['a.png=-:A', 'b.png=-:B']);
    expect((await source.survey()).classes.size).toBe(0);
  });

  it('refuses images beside class folders', async () => {
    const folder = await temporaryFolder({ 'cat/a.png': '', 'loose.png': '' });
    const error = await rejectionOf(openImages(folder));
    expect(error.code).toBe('bad-input');
    expect(error.message).toContain('cat');
    expect(error.hint).toBeDefined();
  });

  it('refuses a folder without images, saying what it looked for', async () => {
    const folder = await temporaryFolder({ 'cat/a.txt': '' });
    const error = await rejectionOf((await openImages(folder)).survey());
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('1 other files') });
    expect(error.hint).toContain('.png');
  });

  it('follows links to folders and stops at a link that leads back up', async () => {
    const folder = await temporaryFolder({ 'cat/a.png': 'A' });
    await symlink(join(folder, 'cat'), join(folder, 'kitten'));
    expect(await listImages(await openImages(folder))).toHaveLength(2);
    await symlink(folder, join(folder, 'cat', 'up'));
    const error = await rejectionOf((await openImages(folder)).survey());
    expect(error).toMatchObject({ code: 'too-large', message: expect.stringContaining('folders deep') });
  });

  it('names a broken link and an image over the bound', async () => {
    const folder = await temporaryFolder({ 'cat/big.png': 'x'.repeat(100) });
    const limits = { imageBytes: 99 };
    const large = await rejectionOf(listImages(await openImages(folder, { limits })));
    expect(large).toMatchObject({ code: 'too-large', message: expect.stringContaining('big.png') });
    await symlink('nowhere', join(folder, 'cat', 'a.png'));
    const broken = await rejectionOf(listImages(await openImages(folder)));
    expect(broken).toMatchObject({ code: 'not-found', message: expect.stringContaining('cat/a.png') });
  });

  it('bounds files and classes', async () => {
    const folder = await temporaryFolder({ 'a/1.png': '', 'b/1.png': '', 'c/1.png': '' });
    for (const limits of [{ entries: 2 }, { classes: 2 }]) {
      const error = await rejectionOf((await openImages(folder, { limits })).survey());
      expect(error.code).toBe('too-large');
    }
  });
});
