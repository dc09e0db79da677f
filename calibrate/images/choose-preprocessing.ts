import { HimplosError } from '../../shared/errors.ts';
import { parseStrictJson } from '../../shared/formats/strict-json.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { findPreset, parsePreprocessing, presetNames } from '../../shared/images/preprocessing-document.ts';
import { parseCrop, parseMean, parseResize, parseStd } from '../../shared/images/preprocessing-options.ts';
import { nameError } from '../sources/file-error.ts';
import { readBoundedFile } from '../sources/read-file.ts';

const MAX_FILE_BYTES = 64 * 1024;

/**
 * Preprocessing as typed: `preprocess` names a preset or a JSON file, and the other options replace parts of it.
 * Without it `mean` and `std` are needed, and no `resize` or `crop` means none.
 * Throws `bad-usage` for what cannot be understood or is missing; what reading the file throws.
 */
export async function choosePreprocessing(options: {
  readonly preprocess?: string | undefined;
  readonly resize?: string | undefined;
  readonly crop?: string | undefined;
  readonly mean?: string | undefined;
  readonly std?: string | undefined;
}): Promise<Preprocessing> {
  const { preprocess, resize, crop, mean, std } = options;
  const base = preprocess === undefined ? undefined : await presetOrFile(preprocess);
  if (base === undefined && (mean === undefined || std === undefined)) {
    throw new HimplosError('bad-usage', 'how images become the classifier’s input is not known', {
      hint: `give --preprocess ${presetNames.join('|')}|FILE.json, or --mean and --std (with --resize and --crop), as the classifier was trained with`,
    });
  }
  return {
    resize: resize === undefined ? (base?.resize ?? null) : parseResize(resize),
    crop: crop === undefined ? (base?.crop ?? null) : parseCrop(crop),
    mean: mean === undefined ? base!.mean : parseMean(mean),
    std: std === undefined ? base!.std : parseStd(std),
  };
}

async function presetOrFile(name: string): Promise<Preprocessing> {
  const preset = findPreset(name);
  if (preset !== undefined) return preset;
  if (!/\.json$/i.test(name)) {
    throw new HimplosError(
      'bad-usage',
      `--preprocess: expected ${presetNames.join(', ')} or a .json file, got ${JSON.stringify(name.slice(0, 100))}`,
      { hint: 'or spell it out: --resize 256 --crop 224 --mean R,G,B --std R,G,B' },
    );
  }
  const bytes = await readBoundedFile(name, MAX_FILE_BYTES);
  try {
    return parsePreprocessing(parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes)), name);
  } catch (cause) {
    if (cause instanceof HimplosError) throw nameError(cause, name);
    throw new HimplosError('bad-input', `${name}: not JSON: ${(cause as Error).message}`, {
      hint: 'expected an object with resize, crop, mean and std',
      cause,
    });
  }
}
