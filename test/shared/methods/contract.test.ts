import { expect, it } from 'vitest';
import { methods } from '../../../shared/methods/registry.ts';
import { describeMethodContract } from './contract-suite.ts';

/** Specs beside each method's defaults that take other ways through the code. */
const OTHER_SPECS = [
  'himplos:mask=none,clip=none,smoothing=none',
  'himplos:mask=30,clip=1.0,smoothing=none,score=maxlogit',
  'himplos:mask=none,clip=p90,smoothing=scale,score=msp',
  'himplos:mask=50,clip=none,smoothing=enhance:20',
  'himplos:mask=50,clip=p95,smoothing=scale,score=odin',
  'energy:temperature=2.5',
];

for (const { id } of methods) describeMethodContract(id);
for (const spec of OTHER_SPECS) describeMethodContract(spec);

it('lists every method once, with where it comes from', () => {
  expect(new Set(methods.map(({ id }) => id)).size).toBe(methods.length);
  for (const { title, source } of methods) {
    expect(title).toMatch(/\S/);
    expect(source).toMatch(/\d{4}|eq\. /);
  }
});
