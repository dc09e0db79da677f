import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../calibrate/program.ts';
import { dataSetPaths, writeDataSet } from '../../demo/write-data-set.ts';

/** The demo's classifier. */
export const DEMO_MODEL = fileURLToPath(new URL('../../demo/model.onnx', import.meta.url));

/** How its training normalised pixels. */
export const DEMO_PREPROCESSING = ['--mean', '0.5,0.5,0.5', '--std', '0.25,0.25,0.25'] as const;

/** A detector for the demo's classifier and pictures to try it on. */
export interface DemoDetector {
  readonly detector: string;
  /** A folder of class folders that the detector has not seen. */
  readonly test: string;
  /** A folder with a folder of pictures for each set of unknown things. */
  readonly unknown: string;
}

/** Draws a small part of the demo's data set into a folder and calibrates a detector on it. */
export async function calibrateDemoDetector(
  folder: string,
  options: readonly string[] = [],
): Promise<DemoDetector> {
  const sizes = { trainPerClass: 20, calibrationPerClass: 10, testPerClass: 5, unknownPerSet: 10 };
  await writeDataSet(folder, sizes, new AbortController().signal);
  const [train, calibration, test] = [dataSetPaths.train, dataSetPaths.calibration, dataSetPaths.test].map(
    (path) => join(folder, path),
  ) as [string, string, string];
  const detector = join(folder, 'detector');
  await runQuietly([
    ...['calibrate', '--model', DEMO_MODEL, ...DEMO_PREPROCESSING, '--train', train],
    ...['--calibration', calibration, '--device', 'cpu', '--out', detector, ...options],
  ]);
  return { detector, test, unknown: join(folder, 'unknown') };
}

/** Runs a command of the tool in this process and gives back what it printed; throws what it complained of. */
export async function runQuietly(argv: readonly string[]): Promise<string> {
  let stdout = '';
  let stderr = '';
  const status = await run(argv, {
    stdout: {
      write: (text) => {
        stdout += text;
      },
    },
    stderr: {
      write: (text) => {
        stderr += text;
      },
    },
    env: {},
    signal: new AbortController().signal,
  });
  if (status !== 0) throw new Error(`himplos ${argv.join(' ')}\nexit status ${status}\n${stderr}`);
  return stdout;
}
