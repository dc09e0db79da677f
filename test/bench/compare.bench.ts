/**
 * How long does `compare --methods all` take from features? The CIFAR-10 benchmark with every registered method at its
 * defaults, each round a process of its own; 30 s on two cores is the aim.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { featuresOf, oodOptions } from '../calibrate/commands/benchmark.ts';
import { hasRealData, needsData, realData } from '../real-data.ts';
import { report, timeInTurn } from './measure.ts';

const ROUNDS = 3;
const tool = fileURLToPath(new URL('../../calibrate/bin.ts', import.meta.url));

if (hasRealData) {
  const compare = () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        ...[tool, 'compare', '--model', realData('cifar10/model.onnx'), '--device', 'cpu', '--threads', '2'],
        ...['--train', featuresOf('train'), '--calibration', featuresOf('calibration')],
        ...['--evaluation', featuresOf('test'), ...oodOptions(featuresOf), '--format', 'json'],
      ],
      { encoding: 'utf8', maxBuffer: 2 ** 26 },
    );
    if (status !== 0) throw new Error(`compare: exit status ${status}\n${stderr}`);
  };
  report('CIFAR-10 from features', await timeInTurn({ 'compare --methods all': compare }, ROUNDS));
} else {
  console.log(`skipped: ${needsData}`);
}
