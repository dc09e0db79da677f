import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { listBelow, newFolder, runWell } from '../run-command.ts';
import { type SmallProblem, smallProblem } from './small-problem.ts';

describe('calibrate on images', () => {
  let problem: SmallProblem;
  beforeAll(async () => {
    problem = await smallProblem();
  });
  it('x', async () => {
    const out = join(newFolder(), 'd');
    const r = await runWell(['calibrate', ...problem.options, '--ood', `grey=${problem.ood}`, '--out', out]);
    console.log(r.stdout, r.stderr);
    console.log(listBelow(out));
    const s = await runWell(['score', '--detector', out, problem.ood, problem.calibration]);
    console.log(s.stdout, s.stderr);
  });
});
