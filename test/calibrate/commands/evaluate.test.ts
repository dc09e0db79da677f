import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Results } from '../../../calibrate/results/results.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { drawFolder, GREY, type SmallProblem, smallProblem, writeBelow } from './small-problem.ts';

let problem: SmallProblem;
let detector: string;
let calibrated: Results;
beforeAll(async () => {
  problem = await smallProblem();
  detector = join(newFolder(), 'detector');
  const options = ['--ood', `grey=${problem.ood}`, '--clip', '1.0', '--json'];
  const { stdout } = await runWell(['calibrate', ...problem.options, ...options, '--out', detector]);
  calibrated = JSON.parse(stdout);
});

function evaluate(...options: readonly string[]): string[] {
  const sets = ['--id', problem.calibration, '--ood', `grey=${problem.ood}`];
  return ['evaluate', '--detector', detector, ...sets, '--threads', '1', ...options];
}

describe('evaluate on images', () => {
  it('runs the detector’s own model and finds what calibrate found', async () => {
    const { rows, id }: Results = JSON.parse((await runWell(evaluate('--format', 'json'))).stdout);
    expect({ rows, id }).toEqual({ rows: calibrated.rows, id: calibrated.id });
  });

  it('measures several methods side by side, each once', async () => {
    const methods = ['--methods', 'msp,energy,himplos:mask=50,clip=1.0', '--methods', 'msp'];
    const { rows }: Results = JSON.parse((await runWell(evaluate(...methods, '--format', 'json'))).stdout);
    expect(rows.map(({ method, ood }) => `${method} ${ood}`)).toEqual([
      ...['msp grey', 'msp average', 'energy grey', 'energy average', 'himplos grey', 'himplos average'],
    ]);
  });

  it('writes to a file, and nothing to stdout, when asked to', async () => {
    const out = join(newFolder(), 'results.csv');
    const { stdout } = await runWell(evaluate('--format', 'csv', '--out', out));
    expect(stdout).toBe('');
    expect(readFileSync(out, 'utf8')).toBe((await runWell(evaluate('--format', 'csv'))).stdout);
    const again = readError(await runCommand(evaluate('--format', 'csv', '--out', out)));
    expect(again.message).toMatch(/results\.csv: there is a file of that name/);
  });

  it('does without labels', async () => {
    const folder = newFolder();
    await drawFolder(folder, GREY, 3, 12);
    const argv = ['evaluate', '--detector', detector, '--id', folder, '--ood', `grey=${problem.ood}`];
    const { id }: Results = JSON.parse((await runWell([...argv, '--format', 'json'])).stdout);
    expect(id).toEqual({ accuracy: null, n: 3, coverage: 0 });
  });

  it('counts the images that --skip-bad passes over', async () => {
    const folder = newFolder();
    await drawFolder(folder, GREY, 3, 12);
    writeBelow(folder, 'bad.png', 'no image');
    const argv = evaluate('--ood', `bad=${folder}`, '--skip-bad', '--format', 'json');
    const { warnings }: Results = JSON.parse((await runWell(argv)).stdout);
    expect(warnings).toContain('ood bad: 1 of 4 images could not be decoded and were passed over');
  });

  it('refuses a class that the detector does not have', async () => {
    const folder = newFolder();
    await drawFolder(join(folder, 'mauve'), GREY, 3, 12);
    const argv = ['evaluate', '--detector', detector, '--id', folder, '--ood', `grey=${problem.ood}`];
    expect(readError(await runCommand(argv)).message).toMatch(/the class "mauve" is none of the 3 classes/);
  });

  it('refuses a method that is none', async () => {
    const refused = readError(await runCommand(evaluate('--methods', 'msp,energie')));
    expect(refused).toMatchObject({
      message: expect.stringMatching(/method energie/),
      hint: 'did you mean energy?',
    });
  });
});
