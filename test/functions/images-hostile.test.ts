import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { referencesBelow } from '../../functions/images/image-references.ts';
import { HimplosError } from '../../shared/errors.ts';
import { calibrateDemoDetector } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { seeded } from '../shared/kernel/heads.ts';
import { type ImageServer, imageServer } from './image-server.ts';

/** Requests in all; each kind of harm gets its share. */
const REQUESTS = Number(process.env.HIMPLOS_HOSTILE ?? 10_000);

let server: ImageServer;
let seeds: readonly Buffer[];
beforeAll(async () => {
  const demo = await calibrateDemoDetector(newFolder());
  const reader = {
    address: 's3://bucket/inbox',
    get: async () => {
      throw new HimplosError('not-found', 'there is no such object');
    },
    getIfChanged: async () => undefined,
  };
  server = await imageServer(demo.detector, { readReference: referencesBelow(reader) });
  const [aClass] = readdirSync(demo.test).sort();
  const [first] = readdirSync(join(demo.test, aClass!)).sort();
  const png = readFileSync(join(demo.test, aClass!, first!));
  seeds = await makeSeeds(png);
});

/** A small image of every kind that is read, and of every kind of pixel. */
async function makeSeeds(png: Buffer): Promise<Buffer[]> {
  const image = () => sharp(png);
  const frames = await sharp({ create: { width: 48, height: 144, channels: 3, background: 'red' } })
    .raw()
    .toBuffer();
  const raw = { width: 48, height: 144, channels: 3, pageHeight: 48 } as const;
  const animate = () => sharp(frames, { raw });
  return Promise.all([
    png,
    image().jpeg().toBuffer(),
    image().jpeg({ progressive: true }).toBuffer(),
    image().toColourspace('cmyk').jpeg().toBuffer(),
    image().greyscale().jpeg().toBuffer(),
    image().png({ palette: true }).toBuffer(),
    image().toColourspace('rgb16').png().toBuffer(),
    image().toColourspace('grey16').png().toBuffer(),
    image().ensureAlpha(0.5).png({ progressive: true }).toBuffer(),
    image().webp().toBuffer(),
    image().webp({ lossless: true }).toBuffer(),
    image().gif().toBuffer(),
    image().tiff({ compression: 'lzw' }).toBuffer(),
    image().tiff({ compression: 'jpeg' }).toBuffer(),
    image().toColourspace('cmyk').tiff().toBuffer(),
    image().avif({ effort: 0 }).toBuffer(),
    animate().gif({ loop: 0 }).toBuffer(),
    animate().webp({ loop: 0 }).toBuffer(),
  ]);
}

type Harm = (random: () => number, seed: Buffer) => Promise<Response>;

const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
const json = (images: readonly unknown[]) => JSON.stringify({ images });
const TYPES = ['image/png', 'image/jpeg', 'image/x-anything', 'application/octet-stream'];

function flipped(random: () => number, seed: Buffer, flips: number): Buffer<ArrayBuffer> {
  const copy = Buffer.from(seed);
  for (let i = 0; i < flips; i++) copy[Math.floor(random() * copy.length)]! ^= 1 << Math.floor(random() * 8);
  return copy;
}

const MAGICS = [
  '\x89PNG\r\n\x1a\n',
  '\xff\xd8\xff',
  'GIF89a',
  'II*\0',
  'MM\0*',
  'RIFF\0\0\0\0WEBP',
  '\0\0\0\x18ftypavif',
  'BM',
  '%PDF',
  '<svg',
];

const HARMS: Readonly<Record<string, Harm>> = {
  whole: (random, seed) => server.post(Buffer.from(seed), pick(random, TYPES)),
  truncated: (random, seed) =>
    server.post(Buffer.from(seed.subarray(0, Math.floor(random() * seed.length))), pick(random, TYPES)),
  'a few bits flipped': (random, seed) =>
    server.post(flipped(random, seed, 1 + Math.floor(random() * 8)), pick(random, TYPES)),
  'header damaged': (random, seed) => {
    const copy = Buffer.from(seed);
    for (let i = 0; i < 4; i++)
      copy[Math.floor(random() * Math.min(64, copy.length))] = Math.floor(random() * 256);
    return server.post(copy, pick(random, TYPES));
  },
  'wrong magic': (random, seed) => {
    const magic = Buffer.from(pick(random, MAGICS), 'latin1');
    return server.post(Buffer.concat([magic, seed.subarray(magic.length)]), pick(random, TYPES));
  },
  'two glued together': (random, seed) => {
    const cut = Math.floor(random() * seed.length);
    return server.post(Buffer.concat([seed.subarray(0, cut), pick(random, seeds)]), pick(random, TYPES));
  },
  noise: (random) => {
    const bytes = Buffer.from(
      Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256)),
    );
    return server.post(bytes, pick(random, [...TYPES, 'text/html', '']));
  },
  'PNG of any size': (random, seed) => {
    // The header promises what the data does not hold: 60,000 px wide, 0 high, 2³¹ …
    const copy = Buffer.from(seeds[0] ?? seed);
    const size = () =>
      pick(random, [
        0,
        1,
        60_000,
        65_536,
        1_000_000,
        2 ** 31 - 1,
        2 ** 32 - 1,
        Math.floor(random() * 2 ** 32),
      ]);
    copy.writeUInt32BE(size(), 16);
    copy.writeUInt32BE(size(), 20);
    return server.post(copy, 'image/png');
  },
  'path tricks': (random) => {
    const parts = [
      '..',
      '.',
      '',
      '%2e%2e',
      'a',
      '\\..',
      '\u0000',
      'ü',
      '?x',
      '#',
      ' ',
      'a'.repeat(300),
      '//evil',
    ];
    const path = Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(random, parts)).join('/');
    const root = pick(random, [
      's3://bucket/inbox/',
      's3://bucket/',
      's3://',
      's3:',
      'S3://bucket/inbox/',
      's3://bucket@evil/inbox/',
    ]);
    return server.post(json([root + path]), 'application/json');
  },
  'JSON of any shape': (random, seed) => {
    const whole = seed.toString('base64');
    const values = [
      whole,
      whole.slice(0, -3),
      '',
      '====',
      'a',
      1,
      null,
      [],
      {},
      true,
      whole.replaceAll('A', '-'),
    ];
    const images = Array.from({ length: Math.floor(random() * 4) }, () => pick(random, values));
    const text = pick(random, [
      json(images),
      json(images).slice(0, -2),
      `{"images":${'['.repeat(40)}`,
      '{"images":["a"],"images":[]}',
      '[]',
    ]);
    return server.post(
      text,
      'application/json',
      pick(random, ['', '?fdr=2', '?fdr=0.1', '?detail=all', '?detail=full']),
    );
  },
  forms: (random, seed) => {
    const name = pick(random, ['f', 'a"b', '../../x', 'ü\r\n', '']);
    const head = `--b\r\nContent-Disposition: form-data; name="${name}"${pick(random, ['', '; filename="a.png"', '; filename*=x'])}\r\n\r\n`;
    const tail = pick(random, ['\r\n--b--\r\n', '\r\n--b\r\n', '', '\r\n--c--']);
    const body = Buffer.concat([Buffer.from(head), seed, Buffer.from(tail)]);
    return server.post(
      body,
      pick(random, [
        'multipart/form-data; boundary=b',
        'multipart/form-data; boundary=""',
        'multipart/form-data',
      ]),
    );
  },
};

describe(`${REQUESTS} seeded hostile images and requests`, () => {
  it.each(Object.keys(HARMS))('%s: 4xx with a reason, or an answer', async (name) => {
    const random = seeded(name.length).uniform;
    const share = Math.ceil(REQUESTS / Object.keys(HARMS).length);
    let refused = 0;
    for (let i = 0; i < share; i++) {
      const seed = seeds[i % seeds.length]!;
      const response = await HARMS[name]!(random, seed);
      const answer = await response.json();
      if (response.status === 200) {
        for (const { score } of answer.results) expect(Number.isFinite(score)).toBe(true);
      } else {
        refused++;
        expect([400, 404, 413, 415]).toContain(response.status);
        expect(answer.error.message.length).toBeGreaterThan(5);
      }
      if (server.bugs.length > 0) throw server.bugs[0];
    }
    if (name === 'whole') expect(refused).toBe(0);
    else expect(refused).toBeGreaterThan(0);
  });
});

describe('images that unpack to far more than they are', () => {
  const plain = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: 'red' }, limitInputPixels: false });

  it('are refused over the bound of pixels', async () => {
    const bombs = await Promise.all([
      plain(60_000, 600).png({ compressionLevel: 6 }).toBuffer(),
      plain(6000, 6000).webp({ quality: 1 }).toBuffer(),
      plain(6000, 6000).jpeg({ quality: 1 }).toBuffer(),
      plain(6000, 6000).gif().toBuffer(),
    ]);
    for (const bomb of bombs) {
      expect(bomb.length).toBeLessThan(2e6);
      const response = await server.post(new Uint8Array(bomb), 'image/png');
      expect(response.status).toBe(413);
    }
    expect(server.bugs).toEqual([]);
  });

  it('get an answer or a reason below it, however wide they are', async () => {
    for (const [width, height] of [
      [60_000, 1],
      [1, 60_000],
      [60_000, 100],
    ] as const) {
      const strip = await plain(width, height).png().toBuffer();
      const response = await server.post(new Uint8Array(strip), 'image/png');
      expect([200, 400, 413]).toContain(response.status);
    }
    expect(server.bugs).toEqual([]);
  });
});
