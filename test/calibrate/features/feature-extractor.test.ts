import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openExtractor } from '../../../calibrate/features/feature-extractor.ts';
import { parseModel } from '../../../calibrate/onnx/read-model.ts';
import { calibrateDemoDetector } from '../demo-detector.ts';
import { newFolder } from '../run-command.ts';

const described = { name: 'store/detector.onnx', digest: '', width: 64 };

it('runs a detector up to its features, without its head', async () => {
  const { detector } = await calibrateDemoDetector(newFolder());
  const model = new Uint8Array(readFileSync(join(detector, 'detector.onnx')));
  const whole = parseModel(model.slice(), 'detector.onnx').graph!;
  await using extractor = await openExtractor(model, described, { device: 'cpu' });
  const { node, output, initializer } = parseModel(extractor.graph, 'features.onnx').graph!;
  expect(output.map(({ name }) => name)).toEqual(['features']);
  expect(node.length).toBeLessThan(whole.node.length - 10);
  expect(node.some(({ output: [name = ''] }) => name === 'logits' || name.includes('score'))).toBe(false);
  expect(initializer.length).toBeLessThan(whole.initializer.length);
});

it('names a model that is damaged', async () => {
  await expect(openExtractor(Uint8Array.of(1, 2, 3), described, { device: 'cpu' })).rejects.toMatchObject({
    code: 'bad-model',
    message: expect.stringMatching(/^store\/detector.onnx: /),
    hint: expect.any(String),
  });
});
