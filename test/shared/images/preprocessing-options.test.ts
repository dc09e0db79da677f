import { describe, expect, it } from 'vitest';
import {
  findPreset,
  parsePreprocessing,
  presetNames,
} from '../../../shared/images/preprocessing-document.ts';
import { parseCrop, parseMean, parseResize, parseStd } from '../../../shared/images/preprocessing-options.ts';
import { failureOf } from '../formats/expect-failure.ts';

describe('preprocessing options', () => {
  it('are read', () => {
    expect([parseResize('256'), parseResize('224x256'), parseResize('none')]).toEqual([
      { shorter: 256 },
      { height: 224, width: 256 },
      null,
    ]);
    expect([parseCrop('224'), parseCrop('none')]).toEqual([224, null]);
    expect(parseMean('0.5, -1e-1,.25')).toEqual([0.5, -0.1, 0.25]);
    expect(parseStd('1,2,0.5')).toEqual([1, 2, 0.5]);
  });

  it.each(['', '0', '-1', '1.5', '4097', '10x', 'x10', '1x2x3', '1e2', ' 5', 'cat'])(
    'refuse %j as a size',
    (text) => {
      for (const [parse, option] of [
        [parseResize, '--resize'],
        [parseCrop, '--crop'],
      ] as const) {
        const failure = failureOf(() => parse(text));
        expect(failure).toMatchObject({ code: 'bad-usage', message: expect.stringContaining(option) });
        expect(failure.hint).toContain(option);
      }
    },
  );

  it.each(['', '1,2', '1,2,3,4', '1,,3', '1,2,NaN', '1,2,Infinity', '1,2,0x3', '1;2;3', '1,2,1e7'])(
    'refuse %j as three numbers',
    (text) => {
      expect(failureOf(() => parseMean(text)).code).toBe('bad-usage');
      expect(failureOf(() => parseStd(text)).code).toBe('bad-usage');
    },
  );

  it('refuse a standard deviation of nothing or less', () => {
    for (const text of ['1,0,1', '1,1,-1', '1,1,1e-9'])
      expect(failureOf(() => parseStd(text)).code).toBe('bad-usage');
  });
});

describe('a preprocessing document', () => {
  it.each(presetNames)('%s is one', (name) => {
    expect(parsePreprocessing(JSON.parse(JSON.stringify(findPreset(name))), 'x')).toEqual(findPreset(name));
  });

  it('knows no other names, not even inherited ones', () => {
    expect([findPreset('imagenet2'), findPreset('toString')]).toEqual([undefined, undefined]);
  });

  const good = { resize: { shorter: 8 }, crop: null, mean: [0, 0, 0], std: [1, 1, 1] };
  it.each([
    ['no object', []],
    ['a missing key', { ...good, crop: undefined }],
    ['a key too many', { ...good, flip: true }],
    ['a resize of nothing', { ...good, resize: { shorter: 0 } }],
    ['a resize of both kinds', { ...good, resize: { shorter: 8, height: 8, width: 8 } }],
    ['a crop past the bound', { ...good, crop: 5000 }],
    ['a fraction of a pixel', { ...good, crop: 2.5 }],
    ['two means', { ...good, mean: [0, 0] }],
    ['a mean that is no number', { ...good, mean: [0, 0, null] }],
    ['a deviation of 0', { ...good, std: [1, 1, 0] }],
  ])('with %s is refused, saying where', (_, document) => {
    const failure = failureOf(() => parsePreprocessing(document, 'p.json'));
    expect(failure).toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining('p.json: preprocessing'),
    });
    expect(failure.hint).toContain('"shorter":256');
  });
});
