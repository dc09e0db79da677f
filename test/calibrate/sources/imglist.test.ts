import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { listImages, openImages } from './read-source.ts';
import { temporaryFile, temporaryFolder } from './temporary-folder.ts';

describe('an imglist', () => {
  it('gives the images it names, in its order', async () => {
    const folder = await temporaryFolder({
      'list.txt': '\ufeffimages/b.png 1\r\n\nimages/a cat.jpg\t0\nimages/c.png -1',
      'images/a cat.jpg': 'A',
      'images/b.png': 'B',
      'images/c.png': 'C',
    });
    const source = await openImages(join(folder, 'list.txt'));
    expect(await listImages(source)).toEqual([
      'images/b.png=1:B',
      'images/a cat.jpg=0:A',
      'images/c.png=-:C',
    ]);
    expect(await source.survey()).toMatchObject({ samples: 3, labelsAreIndices: true, emptyClasses: [] });
  });

  it('may name classes instead of numbering them', async () => {
    const survey = await (await openImages(await temporaryFile('l.txt', 'a.png cat\nb.png 0'))).survey();
    expect(survey.labelsAreIndices).toBe(false);
    expect([...survey.classes.keys()]).toEqual(['cat', '0']);
  });

  it('names an image that is not there', async () => {
    const source = await openImages(await temporaryFile('l.txt', 'gone.png 0'));
    expect(await rejectionOf(listImages(source))).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('gone.png'),
    });
  });

  it.each([
    ['no label', 'a.png'],
    ['no image', 'a.txt 0'],
    ['an absolute path', '/etc/a.png 0'],
    ['a path out of its folder', 'x/../../a.png 0'],
  ])('refuses a line with %s by its number', async (_, line) => {
    const error = await rejectionOf(
      (await openImages(await temporaryFile('l.txt', `ok.png 0\n${line}\n`))).survey(),
    );
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('line 2') });
    expect(error.hint).toBeDefined();
  });

  it.each([
    ['bytes that are no text', Uint8Array.of(0x61, 0xff, 0xfe, 0x0a)],
    ['a line without end', 'x'.repeat(200_000)],
    ['nothing at all', ''],
  ])('refuses %s', async (_, content) => {
    const error = await rejectionOf((await openImages(await temporaryFile('l.txt', content))).survey());
    expect(error.code).toBe('bad-input');
    expect(error.hint).toBeDefined();
  });
});
