/**
 * Writes what check_artifact.py reads into the folder given: a detector for the demo's classifier, pictures, what
 * `himplos score` says of them (SET.jsonl), and every tensor of its safetensors files as our own reader has it
 * (expected/FILE/TENSOR.npy, expected/FILE/metadata.json).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataSetPaths } from '../../demo/write-data-set.ts';
import { encodeNpy } from '../../shared/formats/npy.ts';
import { decodeSafetensors } from '../../shared/formats/safetensors.ts';
import { calibrateDemoDetector, runQuietly } from '../calibrate/demo-detector.ts';

const folder = process.argv[2]!;
const { detector, test, unknown } = await calibrateDemoDetector(folder, [
  ...['--evaluation', join(folder, dataSetPaths.test)],
  ...['--ood', `noise=${join(folder, dataSetPaths.unknown('noise'))}`],
]);
for (const [set, images] of Object.entries({ test, unknown })) {
  const answers = await runQuietly(['score', '--detector', detector, '--device', 'cpu', images]);
  writeFileSync(join(folder, `${set}.jsonl`), answers);
}
for (const file of ['detector', 'evaluation']) {
  const { tensors, metadata } = decodeSafetensors(
    new Uint8Array(readFileSync(join(detector, `${file}.safetensors`))),
  );
  const expected = join(folder, 'expected', file);
  mkdirSync(expected, { recursive: true });
  for (const [name, tensor] of Object.entries(tensors)) {
    writeFileSync(join(expected, `${name}.npy`), encodeNpy(tensor));
  }
  writeFileSync(join(expected, 'metadata.json'), JSON.stringify(metadata));
}
