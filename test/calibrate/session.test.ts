import { expect, it } from 'vitest';
import { startRuntime } from '../../calibrate/session.ts';

it('onnxruntime takes the model that it is started with', async () => {
  await expect(startRuntime()).resolves.toBeUndefined();
});
