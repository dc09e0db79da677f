import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Answer, openDetector } from '../../../calibrate/api.ts';
import type { ResultRow, Results } from '../../../calibrate/results/results.ts';
import { loadDetector } from '../../../shared/artifact/load-detector.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import { openArtifactFolder } from '../../../shared/store/artifact-folder.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { BASE_SPECS } from '../../shared/methods/reference-specs.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { featuresOf, oodOptions, readReference } from './benchmark.ts';

const model = realData('cifar10/model.onnx');

function calibrate(out: string, ...options: readonly string[]): string[] {
  return [
    ...['calibrate', '--model', model, '--out', out, '--device', 'cpu'],
    ...['--train', featuresOf('train'), '--calibration', featuresOf('calibration'), ...options],
  ];
}

function evaluate(detector: string, ...options: readonly string[]): string[] {
  return [
    ...['evaluate', '--detector', detector, '--id', featuresOf('test')],
    ...oodOptions(featuresOf),
    ...options,
  ];
}

describe.skipIf(!hasRealData)(`the CIFAR-10 benchmark from features (${needsData})`, () => {
  /** HIMPLoS with a clip at 1.0, and at the 90th percentile, which other specs of the reference need. */
  let fixed: string;
  let percentile: string;
  let calibrated: Results;
  beforeAll(async () => {
    const folder = newFolder();
    fixed = join(folder, 'fixed');
    percentile = join(folder, 'p90');
    const measured = ['--evaluation', featuresOf('test'), ...oodOptions(featuresOf), '--json'];
    const { stdout } = await runWell(
      calibrate(fixed, '--method', 'himplos:mask=50,clip=1.0', '--name', 'cifar10', ...measured),
    );
    calibrated = JSON.parse(stdout);
    await runWell(calibrate(percentile, '--clip', 'p90'));
  });

  it('calibrate reports the reference figures', () => {
    const average = calibrated.rows.find(({ ood }) => ood === 'average')!;
    expect(Math.abs(100 * average.fpr95 - 31.6)).toBeLessThan(0.05);
    expect(Math.abs(100 * average.auroc - 92.84)).toBeLessThan(0.05);
    expect(Math.abs(100 * calibrated.id.accuracy! - 86.85)).toBeLessThan(0.05);
    expect(Math.abs(calibrated.id.coverage! - 0.95)).toBeLessThan(0.015);
    expect(calibrated.rows.map(({ ood }) => ood)).toEqual([
      ...['textures', 'houses_crop', 'mnist', 'tinyimagenet32', 'flowers', 'average'],
    ]);
  });

  it('γ is the calibration score of rank 50, less half a step', async () => {
    const { document, calibrationScores } = await loadDetector(openArtifactFolder(fixed));
    const { gamma, index } = document.threshold;
    expect(index).toBe(50);
    expect(Math.abs(calibrationScores[49]! - 8.5085)).toBeLessThan(1e-4);
    expect(gamma).toBe((calibrationScores[48]! + calibrationScores[49]!) / 2);
  });

  it('the same inputs give the same detector, bit for bit, and other ones another', async () => {
    const again = join(newFolder(), 'again');
    const bytes = (folder: string) => readFileSync(join(folder, 'detector.safetensors'));
    const measured = ['--evaluation', featuresOf('test'), ...oodOptions(featuresOf)];
    const options = ['--mask-percentile', '50', '--clip', '1.0', '--name', 'cifar10', ...measured];
    await runWell(calibrate(again, ...options, '--threads', '1'));
    expect(bytes(again).equals(bytes(fixed))).toBe(true);
    for (const file of [
      'detector.onnx',
      'evaluation.safetensors',
      'manifest.json',
      'report.html',
      'report.json',
    ]) {
      expect(readFileSync(join(again, file)).equals(readFileSync(join(fixed, file)))).toBe(true);
    }
    expect(bytes(percentile).equals(bytes(fixed))).toBe(false);
  });

  it('evaluate finds the figures of every reference row that the stored tensors allow', async () => {
    const reference = readReference();
    const specs = Object.values(BASE_SPECS).join(',');
    const { stdout } = await runWell(evaluate(percentile, '--methods', specs, '--format', 'json'));
    const { rows }: Results = JSON.parse(stdout);
    const methods = [...Map.groupBy(rows, ({ method, params }) => method + JSON.stringify(params)).values()];
    expect(methods.length).toBe(Object.keys(BASE_SPECS).length);
    const far: string[] = [];
    Object.keys(BASE_SPECS).forEach((name, i) => {
      for (const { ood, fpr95, auroc } of methods[i]! as ResultRow[]) {
        const { FPR95, AUROC } = reference[name]![ood]!;
        const [fprOff, aurocOff] = [Math.abs(100 * fpr95 - FPR95), Math.abs(100 * auroc - AUROC)];
        if (!(fprOff < 0.05 && aurocOff < 0.05)) far.push(`${name} on ${ood}: ${fprOff}, ${aurocOff}`);
      }
    });
    expect(far).toEqual([]);
  });

  it('evaluate of the detector itself repeats what calibrate said', async () => {
    const { stdout } = await runWell(evaluate(fixed, '--format', 'json'));
    const { rows, id }: Results = JSON.parse(stdout);
    expect({ rows, id }).toEqual({ rows: calibrated.rows, id: calibrated.id });
  });

  it('evaluate names the statistic that a method needs and the detector does not have', async () => {
    const out = join(newFolder(), 'results.json');
    const refused = await runCommand(evaluate(fixed, '--methods', 'msp,mahalanobis', '--out', out));
    expect(readError(refused)).toEqual({
      message: 'mahalanobis needs the statistic second-moment, which the detector does not store',
      hint: expect.stringContaining('compare'),
    });
    expect(existsSync(out)).toBe(false);
    const other = readError(await runCommand(evaluate(fixed, '--methods', 'himplos:clip=p95')));
    expect(other.message).toContain('activation-quantiles');
    const clip = readError(await runCommand(evaluate(percentile, '--methods', 'himplos:clip=p95')));
    expect(clip.message).toContain('percentile 95');
  });

  it('evaluate --methods all measures what it can and says what it left out', async () => {
    const { stdout } = await runWell(evaluate(fixed, '--methods', 'all', '--format', 'json'));
    const { rows, skipped, id }: Results = JSON.parse(stdout);
    const measured = new Set(rows.map(({ method }) => method));
    expect([...measured]).toEqual(expect.arrayContaining(['himplos', 'energy', 'msp', 'cosine', 'line']));
    expect(skipped!.map(({ method }) => method)).toEqual(
      expect.arrayContaining(['mahalanobis', 'kl-matching']),
    );
    expect(id.coverage).toBe(calibrated.id.coverage);
  });

  it('evaluate warns of an ID set that stands in an OOD set', async () => {
    const argv = [
      'evaluate',
      '--detector',
      fixed,
      '--id',
      featuresOf('test'),
      '--ood',
      `same=${featuresOf('test')}`,
    ];
    const { stdout } = await runWell(argv);
    expect(stdout).toMatch(/warning: id and ood same share \d+ contents \(100\.00 %\)/);
  });

  describe('score', () => {
    /** As `openDetector` has it, in float64, which is how γ was found. */
    let expected: Answer[];
    let answers: Answer[];
    const source = featuresOf('calibration');
    beforeAll(async () => {
      const { stdout } = await runWell(['score', '--detector', fixed, source]);
      answers = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      const { data } = decodeNpy(readFileSync(realData('cifar10/features/calibration.features.npy')));
      expected = (await openDetector(fixed)).score(data as Float32Array);
    });

    it('decides as the calibration did, for every row', () => {
      const facts = ({ name, decision, predicted, class: label, threshold, warnings }: Answer) => [
        ...[name, decision, predicted, label, threshold, warnings],
      ];
      expect(answers.map(facts)).toEqual(expected.map(facts));
      expect(answers.filter(({ decision }) => decision === 'id').length).toBe(951);
    });

    it('gives the calibration’s scores within float32', async () => {
      const { calibrationScores } = await loadDetector(openArtifactFolder(fixed));
      const scores = Float64Array.from(answers, ({ score }) => score).sort();
      const off = scores.map(
        (score, i) => Math.abs(score - calibrationScores[i]!) / Math.max(1, Math.abs(score)),
      );
      expect(Math.max(...off)).toBeLessThan(1e-5);
      const cosines = answers.map(({ cosine }, i) => Math.abs(cosine! - expected[i]!.cosine!));
      expect(Math.max(...cosines)).toBeLessThan(1e-5);
    });

    it('gives p-values from 1/1001 to 1, in the order of the scores', () => {
      const byScore = answers.toSorted((a, b) => a.score - b.score).map(({ p }) => p);
      expect(byScore).toEqual(byScore.toSorted((a, b) => a - b));
      expect(byScore[0]).toBeLessThanOrEqual(2 / 1001);
      expect(byScore.at(-1)).toBeGreaterThan(0.99);
    });

    it('as CSV says the same', async () => {
      const { stdout } = await runWell(['score', '--detector', fixed, source, '--format', 'csv']);
      const [header, ...lines] = stdout.trimEnd().split('\n');
      expect(header).toBe('name,decision,score,threshold,class,predicted,p,cosine,warnings');
      expect(lines).toEqual(
        answers.map(({ name, decision, score, threshold, class: label, predicted, p, cosine }) =>
          [name, decision, score, threshold, label, predicted, p, cosine, ''].join(','),
        ),
      );
    });

    it('refuses features of another width without a line of results', async () => {
      const wide = realData('imagenet/sample.features.npy');
      for (const format of ['jsonl', 'csv']) {
        const refused = await runCommand(['score', '--detector', fixed, wide, '--format', format]);
        expect(readError(refused).message).toMatch(/expected rows of 342 features.*, got 1280/);
        expect(refused.stdout).toBe('');
      }
    });
  });
});
