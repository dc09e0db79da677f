import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy } from '../../../shared/formats/npy.ts';
import { encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import { f32, f64, type Tensor } from '../../../shared/tensor.ts';
import { randomNumbers } from '../../shared/random.ts';
import { newFolder, runWell } from '../run-command.ts';
import { expectRefusal } from './expect-refusal.ts';
import { smallProblem, WIDTH, writeBelow } from './small-problem.ts';

let model: string;
beforeAll(async () => {
  ({ model } = await smallProblem());
});

/** Rows of non-negative features that differ from each other. */
function features(rows: number, seed: number, width = WIDTH): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: rows * width }, random);
}

function labels(rows: number): Tensor {
  return { dtype: 'I64', shape: [rows], data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 3)) };
}

function npy(tensor: Tensor): string {
  return writeBelow(newFolder(), 'array.npy', encodeNpy(tensor));
}

const train = () => `${npy(f32(features(12, 1), 12, WIDTH))}:${npy(labels(12))}`;
const calibration = () => npy(f32(features(9, 2), 9, WIDTH));

/** `calibrate` on features; TPR 0.9 needs 9 of them. */
function calibrate(sources: { readonly train?: string; readonly calibration?: string }): string[] {
  return [
    ...['calibrate', '--model', model, '--train', sources.train ?? train()],
    ...['--calibration', sources.calibration ?? calibration(), '--tpr', '0.9', '--device', 'cpu'],
  ];
}

it('the features that the refusals below start from are good', async () => {
  const out = join(newFolder(), 'detector');
  const { stdout } = await runWell([...calibrate({}), '--out', out]);
  expect(stdout).toContain('no OOD set was given');
});

describe('calibrate refuses, writing nothing, features', () => {
  it('that are not there', async () => {
    await expectRefusal(calibrate({ train: 'missing.npy' }), /^missing\.npy: no such file/);
  });

  it('of another width than the head', async () => {
    const wide = npy(f32(features(9, 1, 7), 9, 7));
    await expectRefusal(calibrate({ calibration: wide }), /array\.npy: expected rows of 6 features.*, got 7/);
  });

  it('of another dtype', async () => {
    const whole: Tensor = { dtype: 'I64', shape: [9, WIDTH], data: new BigInt64Array(9 * WIDTH) };
    await expectRefusal(calibrate({ calibration: npy(whole) }), /expected float32 or float64, got I64/);
    const half = Buffer.from(encodeNpy(f32(features(9, 1), 9, WIDTH)));
    half.write('<f2', half.indexOf('<f4'));
    const path = writeBelow(newFolder(), 'half.npy', half);
    await expectRefusal(calibrate({ calibration: path }), /half\.npy: .*f2/);
  });

  it('in Fortran order', async () => {
    const bytes = Buffer.from(encodeNpy(f32(features(9, 1), 9, WIDTH)));
    const at = bytes.indexOf('False');
    expect(at).toBeGreaterThan(0);
    bytes.write('True ', at);
    const path = writeBelow(newFolder(), 'fortran.npy', bytes);
    await expectRefusal(
      calibrate({ calibration: path }),
      /fortran\.npy: expected C order, got Fortran order/,
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('with a %d', async (value) => {
    const values = features(9, 1);
    values[4 * WIDTH + 2] = value;
    await expectRefusal(
      calibrate({ calibration: npy(f32(values, 9, WIDTH)) }),
      /array\.npy: .*finite.* row 4, \w+ 2/,
    );
  });

  it('too large for float32', async () => {
    const values = Float64Array.from(features(9, 1));
    values[WIDTH] = 1e39;
    await expectRefusal(calibrate({ calibration: npy(f64(values, 9, WIDTH)) }), /row 1, \w+ 0/);
  });

  it('that are truncated', async () => {
    const bytes = encodeNpy(f32(features(9, 1), 9, WIDTH));
    const path = writeBelow(newFolder(), 'short.npy', bytes.subarray(0, bytes.length - 4));
    await expectRefusal(calibrate({ calibration: path }), /short\.npy: expected \d+ bytes/);
  });

  it('that are text', async () => {
    const path = writeBelow(newFolder(), 'text.npy', 'features');
    await expectRefusal(calibrate({ calibration: path }), /text\.npy/);
    const other = writeBelow(newFolder(), 'text.safetensors', 'features');
    await expectRefusal(calibrate({ calibration: other }), /text\.safetensors/);
  });

  it('under another name inside a safetensors file', async () => {
    const bytes = encodeSafetensors({ embeddings: f32(features(9, 1), 9, WIDTH) }, {});
    const path = writeBelow(newFolder(), 'x.safetensors', bytes);
    await expectRefusal(calibrate({ calibration: path }), /expected a tensor "features", got embeddings/);
  });

  it('without rows', async () => {
    await expectRefusal(
      calibrate({ calibration: npy(f32(new Float32Array(0), 0, WIDTH)) }),
      /\[rows, width\]/,
    );
  });

  it('too few to calibrate on', async () => {
    const few = npy(f32(features(8, 3), 8, WIDTH));
    await expectRefusal(calibrate({ calibration: few }), /0\.9 needs at least 9 held-out samples, got 8/);
  });

  it('that stand in two roles', async () => {
    const same = npy(f32(features(12, 1), 12, WIDTH));
    await expectRefusal(calibrate({ calibration: same }), /train and calibration share 12 contents/);
  });
});

it('calibrate goes on where two roles share up to 1 % of the smaller, and reports it', async () => {
  const [known, held] = [features(100, 4), features(100, 5)];
  held.set(known.subarray(3 * WIDTH, 4 * WIDTH), 50 * WIDTH);
  const many = `${npy(f32(known, 100, WIDTH))}:${npy(labels(100))}`;
  const argv = calibrate({ train: many, calibration: npy(f32(held, 100, WIDTH)) });
  const out = join(newFolder(), 'detector');
  const { stdout } = await runWell([...argv, '--out', out]);
  expect(stdout).toContain('warning: train and calibration share 1 contents (1.00 %), for example row 50\n');
});

describe('calibrate refuses, writing nothing, labels', () => {
  const withLabels = (given: Tensor) => `${npy(f32(features(12, 1), 12, WIDTH))}:${npy(given)}`;

  it('that are missing', async () => {
    await expectRefusal(calibrate({ train: npy(f32(features(12, 1), 12, WIDTH)) }), /label/);
  });

  it('of another number', async () => {
    await expectRefusal(calibrate({ train: withLabels(labels(11)) }), /expected \[12\].*, got \[11\]/);
  });

  it('that are no logit', async () => {
    const given = labels(12);
    (given.data as BigInt64Array)[5] = 3n;
    await expectRefusal(calibrate({ train: withLabels(given) }), /row 5 has label 3, expected 0 to 2/);
  });

  it('that are fractions', async () => {
    await expectRefusal(
      calibrate({ train: withLabels(f32(new Float32Array(12), 12)) }),
      /expected int64, int32 or uint8/,
    );
  });

  it('that leave a class without samples, naming it', async () => {
    const given = labels(12);
    const { data } = given as { data: BigInt64Array };
    data.forEach((label, i) => {
      if (label === 1n) data[i] = 0n;
    });
    await expectRefusal(
      calibrate({ train: withLabels(given) }),
      /1 of 3 classes have no training samples: 1$/,
    );
  });
});

describe('with a head alone, calibrate', () => {
  const weight = () => f32(features(3, 9), 3, WIDTH);
  const head = (tensors: Record<string, Tensor>) =>
    writeBelow(newFolder(), 'head.safetensors', encodeSafetensors(tensors, {}));
  const withHead = (path: string) => {
    const [, , , ...rest] = calibrate({});
    return ['calibrate', '--head', path, ...rest];
  };

  it('works on features and gives a detector without a graph', async () => {
    const out = join(newFolder(), 'detector');
    await runWell([...withHead(head({ weight: weight(), bias: f32(new Float32Array(3), 3) })), '--out', out]);
    const facts = JSON.parse((await runWell(['inspect', out, '--json'])).stdout);
    expect(facts.model).toBe(null);
    expect(facts.files.map(({ name }: { name: string }) => name)).not.toContain('detector.onnx');
  });

  it('refuses images', async () => {
    const { calibration: images } = await smallProblem();
    const args = withHead(head({ weight: weight() }));
    args[args.indexOf('--calibration') + 1] = images;
    await expectRefusal(
      [...args, '--preprocess', 'cifar10'],
      /images need a classifier, only a head was given/,
    );
  });

  it('refuses a head of another shape', async () => {
    await expectRefusal(
      withHead(head({ weight: f32(new Float32Array(6), 6) })),
      /a weight of \[classes, features\]/,
    );
    const bias = f32(new Float32Array(4), 4);
    await expectRefusal(withHead(head({ weight: weight(), bias })), /a bias of \[3\].*, got \[4\]/);
    await expectRefusal(withHead(head({ w: weight() })), /tensors weight and bias, got w/);
  });

  it('refuses a head with numbers that are not finite', async () => {
    const values = features(3, 9);
    values[0] = Number.NaN;
    await expectRefusal(withHead(head({ weight: f32(values, 3, WIDTH) })), /finite numbers/);
  });
});
