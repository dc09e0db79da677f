import { readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { SourceLimits } from '../../../calibrate/sources/limits.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { makeTar, type TarItem } from './make-tar.ts';
import { listImages, openImages } from './read-source.ts';
import { temporaryFile } from './temporary-folder.ts';

async function openTarOf(items: readonly TarItem[], limits?: Partial<SourceLimits>) {
  const path = await temporaryFile('data.tar', await makeTar(items));
  return openImages(path, limits === undefined ? {} : { limits });
}

describe('a tar of class folders', () => {
  const items: readonly TarItem[] = [
    { name: './', type: 'directory' },
    { name: './dog/', type: 'directory' },
    ['./dog/2.jpg', 'D2'],
    ['./cat/1.jpg', 'C1'],
    ['dog/1.jpg', 'D1'],
    { name: 'empty/', type: 'directory' },
    ['cat/readme.txt', 'no image'],
    ['cat/._1.jpg', 'shadow'],
    ['__MACOSX/cat/1.jpg', 'shadow'],
    ['deep/er/bird/1.jpg', 'B1'],
  ];
  const expected = ['dog/2.jpg=dog:D2', 'cat/1.jpg=cat:C1', 'dog/1.jpg=dog:D1', 'deep/er/bird/1.jpg=bird:B1'];

  it('keeps the order of the archive', async () => {
    expect(await listImages(await openTarOf(items))).toEqual(expected);
  });

  it('is read packed, whatever its name says', async () => {
    const packed = gzipSync(await makeTar(items));
    for (const name of ['data.tar.gz', 'data.tgz', 'data.tar']) {
      expect(await listImages(await openImages(await temporaryFile(name, packed)))).toEqual(expected);
    }
  });

  it('is surveyed', async () => {
    expect(await (await openTarOf(items)).survey()).toEqual({
      samples: 4,
      classes: new Map([
        ['dog', 2],
        ['cat', 1],
        ['bird', 1],
      ]),
      emptyClasses: ['empty'],
      labelsAreIndices: false,
      ignored: 3,
    });
  });

  it('gives images at the top no class', async () => {
    expect(await listImages(await openTarOf([['a.png', 'A']]))).toEqual(['a.png=-:A']);
  });
});

describe('WebDataset pairs', () => {
  it('take their class from the .cls file on either side', async () => {
    const source = await openTarOf([
      ['000/a.jpg', 'A'],
      ['000/a.cls', '7\n'],
      ['000/a.json', '{}'],
      ['000/b.cls', '12'],
      ['000/b.jpg', 'B'],
    ]);
    expect(await listImages(source)).toEqual(['000/a.jpg=7:A', '000/b.jpg=12:B']);
    expect(await source.survey()).toMatchObject({
      samples: 2,
      labelsAreIndices: true,
      ignored: 3,
      emptyClasses: [],
    });
  });

  it('may hold names', async () => {
    const source = await openTarOf([
      ['a.jpg', 'A'],
      ['a.cls', 'tabby cat'],
    ]);
    expect(await listImages(source)).toEqual(['a.jpg=tabby cat:A']);
    expect((await source.survey()).labelsAreIndices).toBe(false);
  });

  it.each([
    [
      'an image without one',
      [
        ['a.jpg', ''],
        ['a.cls', '1'],
        ['b.jpg', ''],
      ],
    ],
    [
      'an image without one before others',
      [
        ['a.jpg', ''],
        ['b.jpg', ''],
        ['b.cls', '1'],
      ],
    ],
    [
      'an empty one',
      [
        ['a.jpg', ''],
        ['a.cls', ' '],
      ],
    ],
    [
      'a long one',
      [
        ['a.jpg', ''],
        ['a.cls', 'x'.repeat(2000)],
      ],
    ],
  ] as [string, TarItem[]][])('refuse %s', async (_, items) => {
    const error = await rejectionOf((await openTarOf(items)).survey());
    expect(error.code).toBe('bad-input');
    expect(error.message).toMatch(/[ab]\.(jpg|cls)/);
    expect(error.hint).toContain('.cls');
  });
});

describe('a hostile archive', () => {
  it.each([
    ['a path out of it', ['../evil.jpg', '']],
    ['a path that leaves it in the middle', ['cat/../../evil.jpg', '']],
    ['an absolute path', ['/etc/evil.jpg', '']],
    ['a symbolic link', { name: 'cat/a.jpg', type: 'symlink', linkname: '/etc/passwd' }],
    ['a hard link', { name: 'cat/a.jpg', type: 'link', linkname: 'cat/b.jpg' }],
    ['a device', { name: 'cat/a.jpg', type: 'character-device', devmajor: 1, devminor: 3 }],
    ['a path nobody can store', [`${'x'.repeat(200)}/`.repeat(30), '']],
  ] as [string, TarItem][])('is refused for %s', async (_, item) => {
    const error = await rejectionOf((await openTarOf([['cat/1.jpg', ''], item])).survey());
    expect(error.code).toBe('bad-input');
    expect(error.message).toContain('entry');
    expect(error.hint).toContain('archive');
  });

  it('is refused for too many entries, folders or bytes of an image', async () => {
    const many: TarItem[] = [['a/1.jpg', 'xx'], ['b/1.jpg', 'xx'], { name: 'c/', type: 'directory' }];
    const limited: [Partial<SourceLimits>, string][] = [
      [{ entries: 2 }, 'more than 2 entries'],
      [{ classes: 1 }, 'more than 1 classes'],
    ];
    for (const [limits, message] of limited) {
      const error = await rejectionOf((await openTarOf(many, limits)).survey());
      expect(error).toMatchObject({ code: 'too-large', message: expect.stringContaining(message) });
    }
    const folders: TarItem[] = ['a', 'b', 'c'].map((name) => ({ name: `${name}/`, type: 'directory' }));
    const crowded = await rejectionOf((await openTarOf(folders, { classes: 2 })).survey());
    expect(crowded).toMatchObject({ code: 'too-large', message: expect.stringContaining('folders') });
    const large = await rejectionOf(listImages(await openTarOf(many, { imageBytes: 1 })));
    expect(large).toMatchObject({ code: 'too-large', message: expect.stringContaining('a/1.jpg') });
  });

  it('is refused for its unpacked size and for how far it unpacks, long before its end', async () => {
    const zeros = gzipSync(await makeTar([['cat/1.jpg', Buffer.alloc(8_000_000)]]));
    const path = await temporaryFile('bomb.tar.gz', zeros);
    for (const [limits, message] of [
      [{ archiveBytes: 1_000_000 }, 'unpacks to more than 1000000 bytes'],
      [{ ratioAfterBytes: 1_000_000 }, 'more than 200 times its size'],
    ] as const) {
      const error = await rejectionOf((await openImages(path, { limits })).survey());
      expect(error).toMatchObject({ code: 'too-large', message: expect.stringContaining(message) });
    }
    const survey = await (await openImages(path)).survey();
    expect(survey.samples).toBe(1); // below 64 MiB the ratio does not matter
  });
});

describe('a damaged archive', () => {
  it('is refused wherever it is cut', async () => {
    const whole = await makeTar([
      ['cat/1.jpg', 'x'.repeat(600)],
      ['cat/2.jpg', 'y'],
    ]);
    const packed = gzipSync(whole);
    const cuts = [0, 100, 512, 800, 1536, 2048, 2560, whole.length - 1024].map((end) =>
      whole.subarray(0, end),
    );
    for (const bytes of [...cuts, packed.subarray(0, 11), packed.subarray(0, -9), packed.subarray(0, -1)]) {
      const error = await rejectionOf((await openImages(await temporaryFile('cut.tar', bytes))).survey());
      expect(error.code).toBe('bad-input');
      expect(error.message).toMatch(/cut\.tar: .*(truncated|tar archive|found none)/);
      expect(error.hint).toBeDefined();
    }
  });

  it('is refused when it is something else', async () => {
    const path = await temporaryFile('page.tar', '<html>not found</html>'.repeat(100));
    const error = await rejectionOf((await openImages(path)).survey());
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('tar') });
  });
});

it('an archive that is left early is closed', async () => {
  const path = await temporaryFile(
    'data.tar.gz',
    gzipSync(
      await makeTar(
        Array.from({ length: 200 }, (_, i): TarItem => [`cat/${i}.jpg`, Buffer.alloc(10_000, i)]),
      ),
    ),
  );
  const before = readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 20; i++) {
    for await (const _ of (await openImages(path)).samples()) break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 5);
});
