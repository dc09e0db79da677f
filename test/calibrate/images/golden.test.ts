import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../calibrate/images/decode.ts';
import { decodeNpy } from '../../../shared/formats/npy.ts';
import { Preprocessor } from '../../../shared/images/preprocess.ts';
import { findPreset } from '../../../shared/images/preprocessing-document.ts';
import { parseResize } from '../../../shared/images/preprocessing-options.ts';
import { hasRealData, needsData, realData } from '../../real-data.ts';

const goldens = hasRealData
  ? readdirSync(realData('preprocess')).flatMap((file) => {
      const match = /^(.+)\.resize(\d+(?:x\d+)?)_crop(\d+)\.npy$/.exec(file);
      return match === null ? [] : [{ file, image: match[1]!, resize: match[2]!, crop: Number(match[3]) }];
    })
  : [];

/** What torch makes of one byte: ToTensor divides, Normalize subtracts and divides, all in float32. */
function normalized(byte: number, channel: number): number {
  const { mean, std } = findPreset('imagenet')!;
  const [value, m, s] = new Float32Array([byte / 255, mean[channel]!, std[channel]!]);
  return Math.fround(Math.fround(value! - m!) / s!);
}

describe.skipIf(!hasRealData)(
  `decoding and preprocessing against Pillow and torchvision (${needsData})`,
  () => {
    it('has the golden tensors', () => {
      expect(goldens.length).toBe(37);
    });

    it.each(goldens)('$file is met exactly', async ({ file, image, resize, crop }) => {
      const golden = decodeNpy(await readFile(realData('preprocess', file)));
      expect([golden.dtype, golden.shape]).toEqual(['U8', [crop, crop, 3]]);
      const { pixels, width, height } = await decodeImage(await readFile(realData('preprocess', image)));
      const { mean, std } = findPreset('imagenet')!;
      const preprocessor = new Preprocessor({ resize: parseResize(resize), crop, mean, std });
      const planes = new Float32Array(3 * crop * crop);
      preprocessor.write(pixels, width, height, planes, 0);
      let differences = 0;
      for (let i = 0; i < crop * crop; i++) {
        for (let channel = 0; channel < 3; channel++) {
          if (planes[channel * crop * crop + i] !== normalized(Number(golden.data[3 * i + channel]), channel))
            differences++;
        }
      }
      expect(differences).toBe(0);
    });
  },
);
