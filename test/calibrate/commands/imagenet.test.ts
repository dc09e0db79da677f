import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../../calibrate/api.ts';
import { findHead } from '../../../calibrate/onnx/find-head.ts';
import { readModel } from '../../../calibrate/onnx/read-model.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import { applyLinearTo } from '../../../shared/maths/linear.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { largestDifference, readFloats } from '../onnx/run-model.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';

/** 250 images through MobileNetV2 take seconds on an idle machine, more on a busy one. */
const SLOW_MS = 10 * 60_000;

const ROWS = 250;
const WIDTH = 1280;
const CLASSES = 1000;

describe.skipIf(!hasRealData)(`a 1000-class model on images of ImageNet (${needsData})`, () => {
  const sample = realData('imagenet/sample.tar.gz');
  const textures = realData('imagenet/textures.tar.gz');
  const names = realData('imagenet/classes.txt');
  const model = realData('imagenet/model.onnx');
  const preprocessing = ['--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5', '--device', 'cpu'];
  let cache: string;
  let features: Float32Array;
  let labels: Int32Array;
  beforeAll(async () => {
    cache = newFolder();
    const out = join(newFolder(), 'features.npy');
    const options = ['--classes', names, '--cache', cache, '--out', out];
    await runWell(['features', '--model', model, sample, ...preprocessing, ...options]);
    features = readFloats(out).data;
    const { data } = decodeNpy(readFileSync(out.replace('.npy', '.labels.npy')));
    labels = Int32Array.from(data, Number);
  }, SLOW_MS);

  it('features are those of PyTorch within 1e-4, labels those of the list of classes', () => {
    const expected = readFloats(realData('imagenet/sample.features.npy'));
    expect(expected.shape).toEqual([ROWS, WIDTH]);
    expect(largestDifference(features, expected.data)).toBeLessThan(1e-4);
    const { labels_of_sample: given } = JSON.parse(readFileSync(realData('imagenet/classes.json'), 'utf8'));
    expect([...labels]).toEqual(given);
  });

  it('features and head give the logits of PyTorch within 1e-3, right for 90.8 % of the images', async () => {
    const { head } = findHead(await readModel(model));
    const logits = new Float64Array(ROWS * CLASSES);
    applyLinearTo(head, features, ROWS, new Float64Array(ROWS * WIDTH), logits);
    expect(largestDifference(logits, readFloats(realData('imagenet/sample.logits.npy')).data)).toBeLessThan(
      1e-3,
    );
    let right = 0;
    for (let row = 0; row < ROWS; row++) {
      const own = logits.subarray(row * CLASSES, (row + 1) * CLASSES);
      if (own.indexOf(Math.max(...own)) === labels[row]) right++;
    }
    expect(right / ROWS).toBeCloseTo(0.908, 10);
  });

  describe('a detector from one image for every fourth class', () => {
    const calibrate = (...options: readonly string[]) => [
      ...['calibrate', '--model', model, '--train', sample, '--calibration', sample, ...preprocessing],
      ...['--classes', names, '--cache', cache, '--tpr', '0.9', ...options],
    ];
    let detector: string;
    let answers: Answer[];
    beforeAll(async () => {
      detector = join(newFolder(), 'detector');
      await runWell(calibrate('--allow-missing-classes', '--allow-overlap', '--out', detector));
      const { stdout } = await runWell(['score', '--detector', detector, textures, '--device', 'cpu']);
      answers = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    }, SLOW_MS);

    it('warns of the classes and images that make it a poor one', async () => {
      const facts = JSON.parse((await runWell(['inspect', detector, '--json'])).stdout);
      expect(facts.warnings).toEqual(
        expect.arrayContaining([
          expect.stringContaining('750 classes have no training samples'),
          expect.stringContaining('train and calibration share 250 contents (100.00 %)'),
        ]),
      );
      expect(facts.missingClasses.length).toBe(750);
      expect(facts.classNames.length).toBe(1000);
    });

    it('is refused unless classes may be missing and roles may share images', async () => {
      const out = join(newFolder(), 'detector');
      const missing = readError(await runCommand(calibrate('--allow-overlap', '--out', out)));
      expect(missing.message).toMatch(/750 of 1000 classes have no images/);
      const shared = readError(await runCommand(calibrate('--allow-missing-classes', '--out', out)));
      expect(shared.message).toMatch(/train and calibration share 250 contents/);
    });

    it('scores images that are something else, one line each, and refuses most', () => {
      expect(answers.length).toBe(125);
      expect(new Set(answers.map(({ name }) => name)).size).toBe(125);
      expect(answers.filter(({ decision }) => decision === 'ood').length).toBeGreaterThan(100);
    });

    it('refuses whatever it takes for a class without training images, and says why', () => {
      const ofMissing = answers.filter(({ predicted }) => predicted % 4 !== 0);
      expect(ofMissing.length).toBeGreaterThan(50);
      for (const { decision, cosine, warnings } of ofMissing) {
        expect([decision, cosine]).toEqual(['ood', 0]);
        expect(warnings.join()).toMatch(/prototype|training/);
      }
    });
  });
});
