import { describe, expect, it } from 'vitest';
import { readClassesFile, resolveClasses } from '../../../calibrate/sources/class-order.ts';
import { failureOf, rejectionOf } from '../../shared/formats/expect-failure.ts';
import { temporaryFile } from './temporary-folder.ts';

/** A survey of one image for each of these labels. */
function surveyOf(
  labels: readonly string[],
  rest: { empty?: string[]; numbers?: boolean; unlabelled?: number } = {},
) {
  return {
    samples: labels.length + (rest.unlabelled ?? 0),
    classes: new Map(labels.map((label) => [label, 1])),
    emptyClasses: rest.empty ?? [],
    labelsAreIndices: rest.numbers ?? false,
  };
}

describe('the order of the classes', () => {
  it('is alphabetical by code unit when there are as many folders as logits', () => {
    const survey = surveyOf(['b', 'a', '10', '2', 'B']);
    const order = resolveClasses({ survey, logits: 5, allowMissing: false });
    expect(order.names).toEqual(['10', '2', 'B', 'a', 'b']);
    expect(order.names.map(order.indexOf)).toEqual([0, 1, 2, 3, 4]);
    expect(order.missing).toEqual([]);
  });

  it.each([2, 4])('is unknown for three folders and %i logits', (logits) => {
    const failure = failureOf(() =>
      resolveClasses({ survey: surveyOf(['a', 'b', 'c']), logits, allowMissing: true }),
    );
    expect(failure).toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining(`3 folders and ${logits}`),
    });
    expect(failure.hint).toContain('--classes');
  });

  it('is the one of the file', () => {
    const order = resolveClasses({
      survey: surveyOf(['a', 'c']),
      classesFile: ['c', 'b', 'a'],
      logits: 3,
      allowMissing: true,
    });
    expect([order.indexOf('a'), order.indexOf('c'), order.missing]).toEqual([2, 0, ['b']]);
  });

  it('needs every folder in the file and a name for every logit', () => {
    const resolve = (classesFile: string[]) =>
      failureOf(() =>
        resolveClasses({ survey: surveyOf(['a', 'x']), classesFile, logits: 2, allowMissing: true }),
      );
    expect(resolve(['a', 'b']).message).toContain('"x"');
    expect(resolve(['a', 'b', 'x']).message).toContain('2 logits, got 3');
  });

  it('is given by labels that are positions', () => {
    const survey = surveyOf(['7', '0'], { numbers: true });
    const order = resolveClasses({ survey, logits: 8, allowMissing: true });
    expect([order.indexOf('7'), order.names[7], order.missing.length]).toEqual([7, '7', 6]);
    expect(failureOf(() => resolveClasses({ survey, logits: 7, allowMissing: true })).message).toContain(
      '"7"',
    );
    expect(failureOf(() => order.indexOf('cat')).code).toBe('bad-input');
  });

  it('takes numbers for names where the file lists them', () => {
    const survey = surveyOf(['1', '0'], { numbers: true });
    const order = resolveClasses({ survey, classesFile: ['1', '0'], logits: 2, allowMissing: false });
    expect(order.indexOf('1')).toBe(0);
  });

  it('names a class without images unless that is allowed', () => {
    const survey = surveyOf(['a', 'c'], { empty: ['b'] });
    const failure = failureOf(() => resolveClasses({ survey, logits: 3, allowMissing: false }));
    expect(failure).toMatchObject({ code: 'bad-input', message: expect.stringContaining('no images: b') });
    expect(failure.hint).toContain('--allow-missing-classes');
    expect(resolveClasses({ survey, logits: 3, allowMissing: true }).missing).toEqual(['b']);
  });

  it('needs a class for every image', () => {
    const none = failureOf(() => resolveClasses({ survey: surveyOf([]), logits: 2, allowMissing: true }));
    expect(none.message).toContain('without classes');
    const survey = surveyOf(['a', 'b'], { unlabelled: 3 });
    const some = failureOf(() => resolveClasses({ survey, logits: 2, allowMissing: true }));
    expect(some.message).toContain('3 of 5 have none');
  });
});

describe('a file of class names', () => {
  it('is read line by line', async () => {
    const path = await temporaryFile('c.txt', 'cat\r\n tabby dog \nélan\n\n\n');
    expect(await readClassesFile(path)).toEqual(['cat', 'tabby dog', 'élan']);
  });

  it.each([
    ['a gap', 'a\n\nb\n', 'line 2'],
    ['a name twice', 'a\nb\na\n', 'line 3'],
    ['nothing', '\n', 'got none'],
  ])('with %s is refused', async (_, content, message) => {
    const error = await rejectionOf(readClassesFile(await temporaryFile('c.txt', content)));
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining(message) });
    expect(error.hint).toBeDefined();
  });

  it('has to be there', async () => {
    expect((await rejectionOf(readClassesFile('nowhere.txt'))).code).toBe('not-found');
  });
});
