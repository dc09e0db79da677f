import { describe, expect, it } from 'vitest';
import { choosePreprocessing } from '../../../calibrate/images/choose-preprocessing.ts';
import { findPreset } from '../../../shared/images/preprocessing-document.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { temporaryFile } from '../sources/temporary-folder.ts';

describe('preprocessing as typed', () => {
  it('is a preset, a file, or either with parts replaced', async () => {
    const imagenet = findPreset('imagenet')!;
    expect(await choosePreprocessing({ preprocess: 'imagenet' })).toEqual(imagenet);
    const file = await temporaryFile('p.json', JSON.stringify(imagenet));
    expect(await choosePreprocessing({ preprocess: file, resize: 'none', crop: '32' })).toEqual({
      ...imagenet,
      resize: null,
      crop: 32,
    });
    expect(await choosePreprocessing({ preprocess: 'cifar10', mean: '0,0,0', std: '1,1,1' })).toEqual({
      resize: null,
      crop: null,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  it('is spelled out by mean and std, and no resize means none', async () => {
    expect(await choosePreprocessing({ mean: '0.5,0.5,0.5', std: '1,1,1', resize: '8x9' })).toEqual({
      resize: { height: 8, width: 9 },
      crop: null,
      mean: [0.5, 0.5, 0.5],
      std: [1, 1, 1],
    });
  });

  it('is never guessed', async () => {
    for (const options of [{}, { resize: '256', crop: '224' }, { mean: '0,0,0' }]) {
      const error = await rejectionOf(choosePreprocessing(options));
      expect(error.code).toBe('bad-usage');
      expect(error.hint).toContain('--preprocess imagenet|cifar10');
    }
    expect((await rejectionOf(choosePreprocessing({ preprocess: 'imagnet' }))).message).toContain(
      '"imagnet"',
    );
    expect((await rejectionOf(choosePreprocessing({ preprocess: 'nowhere.json' }))).code).toBe('not-found');
  });

  it.each([
    ['no JSON', '{'],
    ['no text', Uint8Array.of(0xff, 0xfe)],
    ['a key twice', '{"crop": 1, "crop": 2}'],
    ['something else', '{"width": 5}'],
    ['too much', ' '.repeat(100_000)],
  ])('is refused from a file with %s', async (_, content) => {
    const path = await temporaryFile('p.json', content);
    const error = await rejectionOf(choosePreprocessing({ preprocess: path }));
    expect(['bad-input', 'too-large']).toContain(error.code);
    expect(error.message).toContain('p.json');
    expect(error.hint).toBeDefined();
  });
});
