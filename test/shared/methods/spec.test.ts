import { describe, expect, it } from 'vitest';
import { findDetector } from '../../../shared/methods/registry.ts';
import { parseSpec, splitSpecs } from '../../../shared/methods/spec.ts';

describe('method specs', () => {
  it.each([
    ['himplos', 'himplos:mask=50,clip=p95,smoothing=scale,score=energy'],
    ['himplos:clip=1.0,mask=30', 'himplos:mask=30,clip=1,smoothing=scale,score=energy'],
    ['himplos:clip=p90.50', 'himplos:mask=50,clip=p90.5,smoothing=scale,score=energy'],
    ['himplos:mask=0,clip=none,smoothing=none', 'himplos:mask=none,clip=none,smoothing=none,score=energy'],
    ['himplos:smoothing=enhance:20.0,score=odin', 'himplos:mask=50,clip=p95,smoothing=enhance:20,score=odin'],
    ['himplos:score=odin:1000', 'himplos:mask=50,clip=p95,smoothing=scale,score=odin'],
    ['himplos:score=odin:1', 'himplos:mask=50,clip=p95,smoothing=scale,score=msp'],
    ['himplos:score=odin:2.5', 'himplos:mask=50,clip=p95,smoothing=scale,score=odin:2.5'],
    ['energy', 'energy:temperature=1'],
    ['odin:temperature=1e2', 'odin:temperature=100'],
    ['msp', 'msp'],
  ])('%s is %s in full', (given, canonical) => {
    expect(findDetector(given).spec).toBe(canonical);
    expect(findDetector(canonical).spec).toBe(canonical);
  });

  it.each([
    ['himplo', /expected one of himplos, /, 'did you mean himplos?'],
    ['enrgy', /enrgy/, 'did you mean energy?'],
    ['himplos:maks=50', /one of mask, clip, smoothing, score, got parameter "maks"/, 'did you mean mask?'],
    ['msp:p=90', /no parameters/, 'write the method as msp'],
    ['himplos:mask=100', /mask: expected a percentage from 0/, 'for example himplos:mask=50'],
    ['himplos:mask=-1', /got "-1"/, 'for example himplos:mask=50'],
    ['himplos:mask=0x10', /got "0x10"/, 'for example himplos:mask=50'],
    ['himplos:clip=p101', /p0 to p100/, 'for example himplos:clip=p95'],
    ['himplos:clip=-1', /a number from 0, or none/, 'for example himplos:clip=p95'],
    ['himplos:clip=Infinity', /clip/, 'for example himplos:clip=p95'],
    ['himplos:clip=1e999', /clip/, 'for example himplos:clip=p95'],
    ['himplos:smoothing=enhance', /enhance:α with α above 0/, 'for example himplos:smoothing=scale'],
    ['himplos:smoothing=enhance:0', /smoothing/, 'for example himplos:smoothing=scale'],
    ['himplos:score=odin:0', /score/, 'for example himplos:score=energy'],
    ['odin:temperature=0', /a number above 0/, 'for example odin:temperature=1000'],
  ])('refuses %s and helps', (spec, message, hint) => {
    expect(() => findDetector(spec)).toThrow(message);
    expect(() => findDetector(spec)).toThrow(expect.objectContaining({ code: 'bad-usage', hint }));
  });

  it.each([
    '',
    ':',
    'Himplos',
    'himplos:',
    'himplos:mask',
    'himplos:=5',
    'himplos:mask=',
    'himplos:mask=1,mask=2',
    'a b',
    '__proto__',
    `x${'y'.repeat(600)}`,
  ])('refuses %j as no spec at all', (spec) => {
    expect(() => findDetector(spec)).toThrow(expect.objectContaining({ code: 'bad-usage' }));
  });

  it('takes specs apart without knowing the methods', () => {
    expect(parseSpec('line:pw=90,smoothing=enhance:20')).toEqual({
      id: 'line',
      given: { pw: '90', smoothing: 'enhance:20' },
    });
    expect(() => parseSpec('x:constructor=1,constructor=2')).toThrow(/constructor once/);
    expect(() => findDetector('himplos:constructor=1')).toThrow(/constructor/);
  });

  it('cuts lists at commas that do not belong to a spec', () => {
    expect(splitSpecs('himplos:mask=50,clip=1.0,smoothing=enhance:20,energy,knn:k=50,msp')).toEqual([
      'himplos:mask=50,clip=1.0,smoothing=enhance:20',
      'energy',
      'knn:k=50',
      'msp',
    ]);
    expect(splitSpecs('energy')).toEqual(['energy']);
  });
});
