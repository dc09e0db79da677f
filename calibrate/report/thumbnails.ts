import { HimplosError } from '../../shared/errors.ts';
import type { Scores } from '../../shared/methods/contract.ts';
import { throwIfAborted } from '../../shared/store/file-errors.ts';
import type { CalibrationData, InputOptions } from '../calibration/gather-inputs.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { decodeImage, defaultImageLimits, openSharp } from '../images/decode.ts';
import type { Io } from '../io.ts';
import { parseNamedSources } from '../options.ts';
import { openSources } from '../sources/open-source.ts';
import { findExtremes } from './extremes.ts';
import { thumbnailKey } from './report-data.ts';

/** Longer side of a thumbnail, twice as many pixels as it is shown at. */
const SIDE = 96;

/**
 * Small pictures of the samples that a report lists, as data addresses; none unless asked for. Reads the sources of the
 * ID set and the OOD sets once more. Throws `bad-usage` when no source holds images.
 */
export async function drawThumbnails(
  method: { readonly id: Scores; readonly ood: readonly { readonly scores: Scores }[] },
  { sets }: Pick<CalibrationData, 'sets'>,
  options: InputOptions & { readonly thumbnails?: boolean },
  io: Io,
): Promise<ReadonlyMap<string, string>> {
  const thumbnails = new Map<string, string>();
  if (options.thumbnails !== true) return thumbnails;
  const ood = parseNamedSources('--ood', options.ood ?? []);
  const listed: { name: string; set: FeatureSet; scores: Scores; addresses: readonly string[] }[] = [
    {
      name: 'in-distribution',
      set: sets.evaluation ?? sets.calibration,
      scores: method.id,
      addresses: options.evaluation ?? options.calibration,
    },
    ...sets.ood.map(({ name, set }, i) => {
      return { name, set, scores: method.ood[i]!.scores, addresses: ood.get(name)! };
    }),
  ];
  const withImages = listed.filter(({ set }) => set.kind === 'images');
  if (withImages.length === 0) {
    throw new HimplosError('bad-usage', '--thumbnails: expected a source with images, all hold features', {
      hint: 'leave --thumbnails out',
    });
  }
  for (const { name, set, scores, addresses } of withImages) {
    const { most, least } = findExtremes({ scores, nameOf: set.nameOf });
    const wanted = new Set([...most, ...least].map(({ sample }) => sample));
    for (const [sample, picture] of await drawPictures(addresses, wanted, io.signal)) {
      thumbnails.set(thumbnailKey(name, sample), picture);
    }
  }
  return thumbnails;
}

async function drawPictures(
  addresses: readonly string[],
  wanted: Set<string>,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const pictures = new Map<string, string>();
  const source = await openSources(addresses, { signal });
  if (source.kind !== 'images') return pictures;
  for await (const { name, bytes } of source.samples()) {
    throwIfAborted(signal);
    if (wanted.has(name)) pictures.set(name, await drawPicture(bytes));
    if (pictures.size === wanted.size) break;
  }
  return pictures;
}

async function drawPicture(bytes: Uint8Array): Promise<string> {
  const { pixels, width, height } = await decodeImage(bytes, defaultImageLimits);
  const sharp = await openSharp();
  const picture = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize(SIDE, SIDE, { fit: 'inside', kernel: Math.max(width, height) < SIDE ? 'nearest' : 'lanczos3' })
    .webp({ quality: 80 })
    .toBuffer();
  return `data:image/webp;base64,${picture.toString('base64')}`;
}
