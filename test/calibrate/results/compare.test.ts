import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Results } from '../../../calibrate/results/results.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';
import { featuresOf, oodOptions, readReference } from '../commands/benchmark.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { smallSets } from './small-sets.ts';

describe('compare', () => {
  it('refuses what it cannot do before it starts', async () => {
    const sets = smallSets(newFolder());
    const refused = async (...options: string[]) =>
      readError(await runCommand(['compare', ...sets.options, ...options])).message;
    expect(await refused('--near', 'nosuch')).toContain('--near: expected one of far, close, got nosuch');
    expect(await refused('--figures', 'fpr96')).toContain('--figures: expected some of');
    expect(await refused('--ablation', 'energy')).toContain('--ablation energy: expected a method with');
    expect(await refused('--ablation', 'himplos', '--methods', 'msp')).toContain(
      'one of --methods and --ablation',
    );
    expect(await refused('--bootstrap', '0')).toContain('--bootstrap: expected a whole number');
    expect(await refused('--baseline', 'nosuch')).toContain('method nosuch');
  });

  it('adds intervals, groups and tests to the results, and they repeat', async () => {
    const sets = smallSets(newFolder());
    const argv = [
      ...['compare', ...sets.options, '--methods', 'himplos,energy', '--near', 'close'],
      ...['--bootstrap', '50', '--baseline', 'msp', '--format', 'json'],
    ];
    const { stdout } = await runWell(argv);
    const results = JSON.parse(stdout) as Results;
    expect(results.near).toEqual(['close']);
    expect(results.bootstrap).toEqual({ replicates: 50, seed: 1 });
    expect([...new Set(results.rows.map(({ method }) => method))]).toEqual(['himplos', 'energy', 'msp']);
    for (const { auroc, intervals } of results.rows) {
      expect(intervals!.auroc[0]).toBeLessThanOrEqual(auroc + 0.02);
      expect(intervals!.auroc[1]).toBeGreaterThanOrEqual(auroc - 0.02);
    }
    expect(results.tests!.map(({ method, figure }) => `${method} ${figure}`)).toContain('himplos fpr95');
    expect((await runWell(argv)).stdout).toBe(stdout);
  });

  it('reports an ablation some of whose lines could not be fitted', async () => {
    const folder = newFolder();
    const report = join(folder, 'report.html');
    const unlabelled = smallSets(folder).options.map((option) =>
      option.replace(/train\.npy:.*$/, 'train.npy'),
    );
    const argv = ['compare', ...unlabelled, '--ablation', 'himplos:clip=1.0', '--format', 'json'];
    const { rows, skipped }: Results = JSON.parse((await runWell([...argv, '--report', report])).stdout);
    expect(new Set(rows.map(({ params }) => params.smoothing))).toEqual(new Set(['none']));
    expect(skipped!.length).toBe(4);
    expect(readFileSync(report, 'utf8')).toContain('Ablation of himplos:clip=1.0');
  });

  it('writes a file in the format asked for', async () => {
    const folder = newFolder();
    const sets = smallSets(folder);
    const out = join(folder, 'table.tex');
    const { stdout } = await runWell([
      'compare',
      ...sets.options,
      '--methods',
      'msp',
      '--format',
      'latex',
      '--out',
      out,
    ]);
    expect(stdout).toBe('');
    writeFileSync(join(folder, 'taken'), '');
    const taken = await runCommand(['compare', ...sets.options, '--out', join(folder, 'taken')]);
    expect(readError(taken).message).toContain('there is a file of that name');
  });
});

describe.skipIf(!hasRealData)(`the method paper’s tables on CIFAR-10 (${needsData})`, () => {
  const inputs = [
    ...['--model', realData('cifar10/model.onnx'), '--device', 'cpu'],
    ...['--train', featuresOf('train'), '--calibration', featuresOf('calibration')],
    ...['--evaluation', featuresOf('test'), ...oodOptions(featuresOf)],
  ];

  it('Table III: every combination of ReAct, FM and LS, as in the reference', async () => {
    const argv = ['compare', ...inputs, '--ablation', 'himplos:mask=50,clip=p90'];
    const { stdout } = await runWell([...argv, '--format', 'csv']);
    const averages = stdout
      .split('\n')
      .filter((line) => line.includes(',average,'))
      .map((line) => line.split(',average,')[1]!.split(',').map(Number));
    const rows = [
      'Energy',
      'ReAct(p90)',
      'abl:FM',
      'abl:LS',
      'abl:ReAct+FM',
      'abl:ReAct+LS',
      'abl:FM+LS',
      'HIMPLoS',
    ];
    const reference = readReference();
    rows.forEach((row, i) => {
      const known = reference[row] ?? reference[row.replace('(p90)', '')]!;
      expect(Math.abs(100 * averages[i]![0]! - known.average!.FPR95), row).toBeLessThan(0.05);
      expect(Math.abs(100 * averages[i]![1]! - known.average!.AUROC), row).toBeLessThan(0.05);
    });
    const text = (await runWell(argv)).stdout;
    expect(text).toMatch(/^ReAct {2}FM {2}LS {2}FPR95 ↓ \/ AUROC ↑/);
    expect(text).toMatch(/^✓ +✓ +✓ /m);
  });
});
