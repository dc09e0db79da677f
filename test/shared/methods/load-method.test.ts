import { expect, it } from 'vitest';
import { loadMethod } from '../../../shared/methods/load-method.ts';
import { findDetector, methods } from '../../../shared/methods/registry.ts';

it('gives every method as the registry does', async () => {
  for (const { id } of methods) expect((await loadMethod(id)).spec).toBe(findDetector(id).spec);
  const spec = 'himplos:mask=30,clip=2,smoothing=none,score=msp';
  expect((await loadMethod(spec)).spec).toBe(findDetector(spec).spec);
});

it.each(['himplo', 'himplos:maks=50', 'himplos:mask=500', ''])(
  'refuses %j as the registry does',
  async (spec) => {
    let message = '';
    try {
      findDetector(spec);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).not.toBe('');
    await expect(loadMethod(spec)).rejects.toThrow(message);
  },
);
