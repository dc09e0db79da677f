import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { newFolder, runWell } from '../run-command.ts';
import { makeTar } from '../sources/make-tar.ts';
import { expectRefusal } from './expect-refusal.ts';
import {
  COLOURS,
  drawClassFolders,
  drawFolder,
  drawImage,
  GREY,
  type SmallProblem,
  smallClassifier,
  smallProblem,
  writeBelow,
} from './small-problem.ts';

let problem: SmallProblem;
beforeAll(async () => {
  problem = await smallProblem();
});

/** `calibrate` on the small problem with one more source or some other options, which come last. */
function calibrate(...options: readonly string[]): string[] {
  return ['calibrate', ...problem.options, ...options];
}

/** `calibrate` with another training source, and perhaps another model. */
function calibrateOn(train: string, ...options: readonly string[]): string[] {
  const { model, calibration, options: all } = problem;
  const others = all.slice(all.indexOf('--device'));
  return [
    'calibrate',
    '--model',
    model,
    '--train',
    train,
    '--calibration',
    calibration,
    ...others,
    ...options,
  ];
}

/** A copy of the training images that a test may spoil. */
function copyTrain(): string {
  const folder = join(newFolder(), 'train');
  cpSync(problem.train, folder, { recursive: true });
  return folder;
}

function modelWith(classes: number): string {
  return writeBelow(newFolder(), 'model.onnx', smallClassifier(classes));
}

/** A PNG that says it is 50,000 × 50,000 pixels: 7.5 GB in some bytes. */
async function imageBomb(): Promise<Uint8Array> {
  const bytes = Buffer.from(await drawImage(GREY, 1));
  bytes.writeUInt32BE(50_000, 16);
  bytes.writeUInt32BE(50_000, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

describe('calibrate refuses, writing nothing, classes that are not those of the logits:', () => {
  it('fewer folders than logits', async () => {
    const refused = await expectRefusal(
      calibrate('--model', modelWith(4)),
      /train: .*3 folders and 4 logits/,
    );
    expect(refused.stderr).toContain(
      'hint: list the folder names in the order of the logits in a file: --classes',
    );
  });

  it('more folders than logits', async () => {
    const train = copyTrain();
    writeBelow(train, 'mauve/0.png', await drawImage([150, 100, 200], 1));
    await expectRefusal(calibrateOn(train), /train: .*4 folders and 3 logits/);
  });

  it('a class without images, naming it', async () => {
    const train = copyTrain();
    mkdirSync(join(train, 'mauve'));
    const refused = await expectRefusal(calibrateOn(train, '--model', modelWith(4)), /have no images: mauve/);
    expect(refused.stderr).toContain('--allow-missing-classes');
  });

  it('a class of the calibration images that the training images do not have, before anything is decoded', async () => {
    const folder = newFolder();
    await drawClassFolders(folder, 4, 5);
    await drawFolder(join(folder, 'mauve'), GREY, 2, 6);
    const refused = await expectRefusal(calibrate('--calibration', folder), /"mauve"/);
    expect(refused.stderr).not.toContain('18 images');
  });

  it('images without classes', async () => {
    await expectRefusal(calibrateOn(problem.ood), /grey: expected labelled images/);
  });

  it('a list of classes of another length', async () => {
    const classes = writeBelow(newFolder(), 'classes.txt', 'blue\ngreen\n');
    await expectRefusal(calibrate('--classes', classes), /one class name for each of the 3 logits, got 2/);
  });

  it('a list of classes that is not there', async () => {
    await expectRefusal(calibrate('--classes', 'missing.txt'), /missing\.txt: no such file/);
  });
});

describe('calibrate refuses, writing nothing, images that are', () => {
  it('not there', async () => {
    await expectRefusal(calibrate('--ood', 'far=missing.tar.gz'), /^missing\.tar\.gz: no such file/);
    await expectRefusal(calibrateOn('missing'), /^missing: no such file/);
  });

  it('no images', async () => {
    const folder = newFolder();
    writeBelow(folder, 'red/notes.md', 'to be scanned');
    await expectRefusal(calibrateOn(folder), /expected images, found none \(1 other files\)/);
  });

  it('damaged, naming the one among good ones', async () => {
    const train = copyTrain();
    const whole = await drawImage(COLOURS.green, 77);
    writeBelow(train, 'green/0002.png', whole.subarray(0, whole.length - 30));
    const refused = await expectRefusal(calibrateOn(train), /train: green\/0002\.png: .*cannot be decoded/);
    expect(refused.stderr).toContain('--skip-bad');
  });

  it('text by the name of an image', async () => {
    const train = copyTrain();
    writeBelow(train, 'red/0000.png', 'red');
    await expectRefusal(calibrateOn(train), /red\/0000\.png: not an image/);
  });

  it('bombs', async () => {
    const train = copyTrain();
    writeBelow(train, 'red/0000.png', await imageBomb());
    await expectRefusal(calibrateOn(train), /red\/0000\.png: .*more than \d+ pixels/);
  });

  it('of another size than the model takes', async () => {
    await expectRefusal(
      calibrate('--resize', '16x16'),
      /expected images of 8 × 8, the preprocessing gives 16 × 16/,
    );
  });

  it('of different sizes', async () => {
    const train = copyTrain();
    writeBelow(train, 'red/0003.png', await drawImage(COLOURS.red, 1, 9));
    await expectRefusal(calibrateOn(train), /red\/0003\.png becomes a 9 × 9 input, .* one of 8 × 8/);
  });

  it('in two roles, for more than 1 % of them', async () => {
    const folder = newFolder();
    cpSync(problem.calibration, folder, { recursive: true });
    cpSync(join(problem.train, 'red/0000.png'), join(folder, 'red/9999.png'));
    const refused = await expectRefusal(
      calibrate('--evaluation', folder),
      /calibration and evaluation share 15 contents, 100\.0 % of the smaller/,
    );
    expect(refused.stderr).toContain('--allow-overlap');
  });

  it('too few to calibrate on', async () => {
    await expectRefusal(calibrate('--tpr', '0.95'), /0\.95 needs at least 19 held-out samples, got 15/);
  });

  it('too few to calibrate on once the bad ones are left out', async () => {
    const folder = join(newFolder(), 'calibration');
    cpSync(problem.calibration, folder, { recursive: true });
    for (let i = 0; i < 5; i++)
      for (const name of ['red', 'blue']) writeFileSync(join(folder, name, `000${i}.png`), '');
    const { model, train, options } = problem;
    const others = options.slice(options.indexOf('--device'));
    await expectRefusal(
      ['calibrate', '--model', model, '--train', train, '--calibration', folder, ...others, '--skip-bad'],
      /needs at least 9 held-out samples, got 5/,
    );
  });

  it('all damaged, even if they are to be skipped', async () => {
    const folder = newFolder();
    for (let i = 0; i < 3; i++) writeBelow(folder, `${i}.png`, 'no image');
    await expectRefusal(
      calibrate('--ood', `bad=${folder}`, '--skip-bad'),
      /ood bad .*none of its images can be decoded/,
    );
  });
});

describe('calibrate refuses, writing nothing, an archive', () => {
  const archive = (bytes: Uint8Array, name = 'x.tar') => writeBelow(newFolder(), name, bytes);

  it('with a path that leads out of it', async () => {
    const tar = archive(await makeTar([['../red/0.png', await drawImage(COLOURS.red, 1)]]));
    await expectRefusal(calibrateOn(tar), /x\.tar: entry "\.\.\/red\/0\.png" has an absolute path or "\.\."/);
  });

  it('with a link', async () => {
    const tar = archive(await makeTar([{ name: 'red/0.png', type: 'symlink', linkname: '/etc/passwd' }]));
    await expectRefusal(calibrateOn(tar), /entry "red\/0\.png" is a symlink/);
  });

  it('that is truncated', async () => {
    const whole = await makeTar([['red/0.png', new Uint8Array(5000)]]);
    await expectRefusal(calibrateOn(archive(whole.subarray(0, 3000))), /x\.tar: the archive is truncated/);
  });

  it('that is none', async () => {
    await expectRefusal(calibrateOn(archive(Buffer.from('tar'), 'x.tar.gz')), /x\.tar\.gz/);
  });

  it('that unpacks to a thousand times its size', async () => {
    const bomb = gzipSync(await makeTar([['red/notes.bin', new Uint8Array(80 * 2 ** 20)]]));
    expect(bomb.length).toBeLessThan(100_000);
    await expectRefusal(
      calibrateOn(archive(bomb, 'x.tar.gz')),
      /x\.tar\.gz: unpacks to more than 200 times its size/,
    );
  });
});

describe('with --skip-bad, calibrate', () => {
  it('goes on without damaged images, naming and counting them', async () => {
    const train = copyTrain();
    writeBelow(train, 'green/0002.png', 'no image');
    writeBelow(train, 'red/0005.png', await imageBomb());
    const out = join(newFolder(), 'detector');
    const { stdout, stderr } = await runWell([...calibrateOn(train, '--skip-bad', '--json'), '--out', out]);
    expect(stderr).toMatch(/^skipped: .*train: green\/0002\.png: not an image/m);
    expect(stderr).toMatch(/^skipped: .*train: red\/0005\.png: .*pixels/m);
    expect(stderr).toMatch(/^train: 18 images in .*, 2 skipped$/m);
    expect(JSON.parse(stdout).warnings).toEqual([
      'train: 2 of 18 images could not be decoded and were passed over',
    ]);
    const facts = JSON.parse((await runWell(['inspect', out, '--json'])).stdout);
    expect(facts.data.train).toMatchObject({ count: 16, perClass: [6, 5, 5] });
  });
});
