import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { averagesBySpec, type SweepResults } from '../../../calibrate/results/sweep-results.ts';
import { makeGrid } from '../../../calibrate/tuning/grid.ts';
import { hasRealData, needsData, realData, reference } from '../../real-data.ts';
import { featuresOf, oodOptions, readReference } from '../commands/benchmark.ts';
import { smallSets } from '../results/small-sets.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';

describe('a grid', () => {
  it('holds every combination, the last axis fastest, over the given spec', () => {
    const { points, axes } = makeGrid('himplos:score=msp', ['mask=10,20', 'clip=0.5,p95']);
    expect(axes.map(({ key }) => key)).toEqual(['mask', 'clip']);
    expect(points.map(({ spec }) => spec)).toEqual([
      'himplos:mask=10,clip=0.5,smoothing=scale,score=msp',
      'himplos:mask=10,clip=p95,smoothing=scale,score=msp',
      'himplos:mask=20,clip=0.5,smoothing=scale,score=msp',
      'himplos:mask=20,clip=p95,smoothing=scale,score=msp',
    ]);
    expect(makeGrid('knn', ['k=1,5,1']).points.map(({ spec }) => spec)).toHaveLength(2);
  });

  it('is p × λ of the method paper for HIMPLoS', () => {
    expect(makeGrid('himplos').points).toHaveLength(60);
  });

  it.each([
    ['energy', [], 'expected a parameter of energy to vary'],
    ['himplos', ['mask'], '--vary mask: expected KEY=VALUE'],
    ['himplos', ['mask=1,,2'], '--vary mask=1,,2: expected KEY=VALUE'],
    ['himplos', ['mask=1', 'mask=2'], 'each parameter once'],
    ['himplos', ['msak=1'], 'got parameter "msak"'],
    ['himplos', ['mask=200'], 'method himplos, mask'],
    ['himplos', [`mask=${Array.from({ length: 1001 }, (_, i) => i / 20)}`], 'at most 1000 combinations'],
  ])('refuses %s %j', (spec, vary, message) => {
    expect(() => makeGrid(spec, vary)).toThrow(message);
  });
});

describe('sweep', () => {
  it('names the best point and warns that it has seen the OOD sets', async () => {
    const { options } = smallSets(newFolder());
    const argv = ['sweep', ...options, '--vary', 'mask=0,30', '--vary', 'clip=1.0,none'];
    const results = JSON.parse((await runWell([...argv, '--format', 'json'])).stdout) as SweepResults;
    const averages = averagesBySpec(results.rows);
    expect(averages.size).toBe(4);
    const lowest = Math.min(...[...averages.values()].map(({ fpr95 }) => fpr95));
    expect(averages.get(results.sweep.best)!.fpr95).toBe(lowest);
    expect(results.warnings!.at(-1)).toContain('was picked on the OOD sets it is measured on');
    const { stdout } = await runWell(argv);
    expect(stdout).toMatch(/^FPR95 ↓ \/ AUROC ↑ +1\.0 +none\n0 +\d/);
    expect((await runWell([...argv, '--format', 'latex'])).stdout).toContain('\\multicolumn{2}{c}{none}');
    expect((await runWell([...argv, '--format', 'markdown'])).stdout).toMatch(/^\| .*\| 1\.0 \| none \|/);
  });

  it('needs an OOD set', async () => {
    const { withoutOod } = smallSets(newFolder());
    expect(readError(await runCommand(['sweep', ...withoutOod])).message).toContain(
      'sweep needs at least one --ood',
    );
  });
});

describe.skipIf(!hasRealData)(`sweeps on CIFAR-10 (${needsData})`, () => {
  const inputs = [
    ...['--model', realData('cifar10/model.onnx'), '--device', 'cpu'],
    ...['--train', featuresOf('train'), '--calibration', featuresOf('calibration')],
    ...['--evaluation', featuresOf('test'), ...oodOptions(featuresOf)],
  ];

  it('p × λ agrees with the reference at all 60 points', async () => {
    const { stdout } = await runWell(['sweep', ...inputs, '--format', 'json']);
    const { rows } = JSON.parse(stdout) as SweepResults;
    const { sweep } = JSON.parse(readFileSync(reference('cifar10.results.json'), 'utf8')) as {
      sweep: { p: number; react: number | string | null; avg: number[]; sets: Record<string, number[]> }[];
    };
    expect(sweep).toHaveLength(60);
    for (const { p, react, avg, sets } of sweep) {
      const clip = typeof react === 'number' ? `p${react}` : react === '1.0' ? '1' : 'none';
      const own = rows.filter(
        ({ params }) =>
          params.clip === clip && (params.mask === String(p) || (p === 0 && params.mask === 'none')),
      );
      expect(own, `p = ${p}, λ = ${react}`).toHaveLength(6);
      for (const { ood, fpr95, auroc } of own) {
        const [knownFpr, knownAuroc] = ood === 'average' ? avg : sets[ood]!;
        expect(Math.abs(100 * fpr95 - knownFpr!), `${p} ${react} ${ood}`).toBeLessThan(0.1);
        expect(Math.abs(100 * auroc - knownAuroc!), `${p} ${react} ${ood}`).toBeLessThan(0.1);
      }
    }
  });

  it('Table V: a line an α, as in the reference', async () => {
    const alphas = [1, 5, 10, 20, 50, 100];
    const vary = `smoothing=${alphas.map((alpha) => `enhance:${alpha}`)}`;
    const argv = ['sweep', ...inputs, '--method', 'himplos:mask=50,clip=p90', '--vary', vary];
    const lines = (await runWell([...argv, '--format', 'csv'])).stdout.split('\n');
    const known = readReference();
    const averages = lines.filter((line) => line.includes(',average,'));
    alphas.forEach((alpha, i) => {
      const [fpr95, auroc] = averages[i]!.split(',average,')[1]!.split(',').map(Number);
      const { FPR95, AUROC } = known[`enh:alpha=${alpha}`]!.average!;
      expect(Math.abs(100 * fpr95! - FPR95)).toBeLessThan(0.05);
      expect(Math.abs(100 * auroc! - AUROC)).toBeLessThan(0.05);
    });
    expect((await runWell(argv)).stdout).toMatch(/^FPR95 ↓ \/ AUROC ↑ +textures .*\nenhance:1 /);
  });
});
