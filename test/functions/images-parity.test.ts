import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSources } from '../../calibrate/sources/open-source.ts';
import { loadDetector } from '../../shared/artifact/load-detector.ts';
import { conformalPValue } from '../../shared/metrics/p-values.ts';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { newFolder, runWell } from '../calibrate/run-command.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';
import { CHROMIUM, openPage } from './chromium.ts';
import { type ImageServer, imageServer } from './image-server.ts';
import { imagenetOptions } from './imagenet-options.ts';
import { type Served, serveWith } from './served.ts';

/** Real models take seconds on an idle machine, more on a busy one. */
const SLOW_MS = 10 * 60_000;
/** Images a request. */
const BATCH = 25;

interface Line {
  readonly name: string;
  readonly decision: 'id' | 'ood';
  readonly score: number;
  readonly predicted: number;
  readonly p: number;
  readonly cosine: number | null;
}

type Shown = Pick<
  ScoreAnswer['results'][number],
  'decision' | 'predicted_class' | 'score' | 'p_value' | 'cosine'
>;

/** What the playground shows, read off the page; numbers stand there in full beside what people see. */
const SHOWN = `(() => {
  const shown = (term) => {
    const dt = [...document.querySelectorAll('dt')].find(({ textContent }) => textContent.startsWith(term));
    return dt.nextElementSibling;
  };
  const number = (term) => Number(shown(term).querySelector('data')?.value ?? NaN);
  const cosine = number('Cosine');
  return {
    decision: document.querySelector('.decision').classList.contains('id') ? 'id' : 'ood',
    predicted_class: Number(/\\((\\d+)\\)$/.exec(shown('Class').textContent)[1]),
    score: number('Score'),
    p_value: number('p-value'),
    cosine: Number.isNaN(cosine) ? null : cosine,
  };
})()`;

interface Case {
  readonly name: string;
  /** Options of calibrate; the detector goes to `--out`. */
  readonly calibrate: () => Promise<readonly string[]>;
  readonly images: string;
  readonly count: number;
}

const CASES: readonly Case[] = [
  {
    name: '250 images of ImageNet',
    calibrate: () => imagenetOptions(newFolder()),
    images: realData('imagenet/sample.tar.gz'),
    count: 250,
  },
  {
    name: '500 images of CIFAR-10',
    calibrate: async () => {
      const features = (set: string) =>
        `${realData('cifar10/features', `${set}.features.npy`)}:${realData('cifar10/features', `${set}.labels.npy`)}`;
      const data = ['--train', features('train'), '--calibration', features('calibration')];
      return ['--model', realData('cifar10/model.onnx'), '--preprocess', 'cifar10', ...data];
    },
    images: realData('cifar10/test.tar.gz'),
    count: 500,
  },
];

for (const given of CASES)
  describe.skipIf(!hasRealData)(`the same answers everywhere for ${given.name} (${needsData})`, () => {
    let detector: string;
    let lines: readonly Line[];
    let images: readonly Uint8Array<ArrayBuffer>[];
    let calibrationScores: Float64Array;
    let server: ImageServer;
    let served: Served;
    beforeAll(async () => {
      detector = join(newFolder(), 'detector');
      const { stderr } = await runWell([
        'calibrate',
        ...(await given.calibrate()),
        '--device',
        'cpu',
        '--out',
        detector,
      ]);
      expect(stderr).not.toMatch(/^bug/m);
      const io = {
        stderr: { write: () => undefined },
        stdout: { write: () => undefined },
        env: {},
        signal: new AbortController().signal,
      };
      const source = await openSources([given.images], io);
      const taken: { name: string; bytes: Uint8Array<ArrayBuffer> }[] = [];
      if (source.kind !== 'images') throw new Error('expected images');
      for await (const { name, bytes } of source.samples()) {
        taken.push({ name, bytes: new Uint8Array(bytes) });
        if (taken.length === given.count) break;
      }
      images = taken.map(({ bytes }) => bytes);
      // In the tool's own batches; what it prints is in the order of the source.
      const folder = newFolder();
      const list = join(folder, 'list.txt');
      taken.forEach(({ bytes }, i) => void writeFileSync(join(folder, `${i}.img.jpg`), bytes));
      writeFileSync(list, taken.map((_, i) => `${i}.img.jpg 0\n`).join(''));
      const { stdout } = await runWell(['score', '--detector', detector, '--device', 'cpu', list]);
      lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines.length).toBe(given.count);
      ({ calibrationScores } = await loadDetector(openArtifactFolder(detector)));
      server = await imageServer(detector);
      served = await serveWith(['--detector', detector]);
    }, SLOW_MS);
    afterAll(() => served?.stop());

    /** METHODS §9 for scores of one model on one machine; batches of other sizes change features in the last bits. */
    function expectAgreement(results: readonly Shown[], from: number): void {
      results.forEach((result, i) => {
        const line = lines[from + i]!;
        expect([result.decision, result.predicted_class]).toEqual([line.decision, line.predicted]);
        const tolerance = 1e-5 * Math.max(1, Math.abs(line.score));
        expect(Math.abs(result.score - line.score)).toBeLessThanOrEqual(tolerance);
        // A p-value is a rank: it may differ by the calibration scores that lie within that, and by no more.
        for (const p of [result.p_value, line.p]) {
          expect(p).toBeGreaterThanOrEqual(conformalPValue(calibrationScores, line.score - tolerance));
          expect(p).toBeLessThanOrEqual(conformalPValue(calibrationScores, line.score + tolerance));
        }
        if (line.cosine === null) expect(result.cosine).toBe(null);
        else expect(Math.abs(result.cosine! - line.cosine)).toBeLessThan(1e-5);
      });
    }

    const bodyOf = (from: number) =>
      JSON.stringify({
        images: images.slice(from, from + BATCH).map((bytes) => Buffer.from(bytes).toString('base64')),
      });

    it('some accepted and some refused, and cosines of many classes', () => {
      expect(new Set(lines.map(({ decision }) => decision))).toEqual(new Set(['id', 'ood']));
      expect(new Set(lines.map(({ predicted }) => predicted)).size).toBeGreaterThanOrEqual(10);
      expect(lines.filter(({ cosine }) => cosine !== null && cosine > 0).length).toBeGreaterThan(
        lines.length / 2,
      );
    });

    it(
      'by the images function',
      async () => {
        for (let from = 0; from < images.length; from += BATCH) {
          const response = await server.post(bodyOf(from), 'application/json');
          expect(response.status).toBe(200);
          expectAgreement(((await response.json()) as ScoreAnswer).results, from);
        }
        expect(server.bugs).toEqual([]);
      },
      SLOW_MS,
    );

    it(
      'by himplos serve, an image a request',
      async () => {
        for (const [i, bytes] of images.entries()) {
          const headers = { 'content-type': 'image/jpeg' };
          const response = await fetch(`${served.address}/v1/images`, {
            method: 'POST',
            headers,
            body: bytes,
          });
          expectAgreement(((await response.json()) as ScoreAnswer).results, i);
        }
      },
      SLOW_MS,
    );

    it.skipIf(CHROMIUM === undefined)(
      'by the playground, an image at a time as people choose them (needs chromium)',
      async () => {
        const page = await openPage();
        try {
          await page.open(`${served.address}/playground`);
          for (const i of images.keys()) {
            await page.evaluate("document.querySelector('#answer').replaceChildren()");
            await page.choose('#image', fileOf(i));
            await page.until("document.querySelector('.decision')");
            expectAgreement([await page.evaluate<Shown>(SHOWN)], i);
          }
        } finally {
          await page.close();
        }
      },
      SLOW_MS,
    );

    function fileOf(index: number): string {
      const path = join(newFolder(), 'image.jpg');
      writeFileSync(path, images[index]!);
      return path;
    }
  });
