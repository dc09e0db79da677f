import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findHead } from '../../calibrate/onnx/find-head.ts';
import { readModel } from '../../calibrate/onnx/read-model.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import { realData } from '../real-data.ts';

/**
 * Options of `calibrate` for the 1000-class model. Training features are made from the head itself, one for each
 * class: there are real images of one class in four only, and cosines need prototypes.
 * @param folder where the made features go
 */
export async function imagenetOptions(folder: string): Promise<string[]> {
  const model = realData('imagenet/model.onnx');
  const { head } = findHead(await readModel(model));
  const { classes, width, weight } = head;
  const features = Float32Array.from(weight, (value) => Math.max(0, value) * 8);
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes);
  write('train.npy', encodeNpy({ dtype: 'F32', shape: [classes, width], data: features }));
  const labels = BigInt64Array.from({ length: classes }, (_, c) => BigInt(c));
  write('labels.npy', encodeNpy({ dtype: 'I64', shape: [classes], data: labels }));
  const { labels_of_sample } = JSON.parse(readFileSync(realData('imagenet/classes.json'), 'utf8'));
  const given = BigInt64Array.from(labels_of_sample, BigInt);
  write('sample.npy', encodeNpy({ dtype: 'I64', shape: [given.length], data: given }));
  return [
    ...['--model', model, '--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5', '--allow-missing-classes'],
    ...['--classes', realData('imagenet/classes.txt')],
    ...['--train', `${join(folder, 'train.npy')}:${join(folder, 'labels.npy')}`],
    ...['--calibration', `${realData('imagenet/sample.features.npy')}:${join(folder, 'sample.npy')}`],
  ];
}
