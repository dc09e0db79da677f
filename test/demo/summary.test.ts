import { describe, expect, it } from 'vitest';
import { classNames, drawKnown, drawUnknown, unknownSetNames } from '../../demo/drawing/data-set.ts';
import { formatCommand } from '../../demo/himplos-step.ts';
import { type Answer, readAnswers, sheetSections, sheetTitle, summarize } from '../../demo/summary.ts';

const folder = 'out/pictures';
const answer = (name: string, decision: 'id' | 'ood', className: string): Answer => ({
  name: `${folder}/${name}`,
  decision,
  score: 7.123,
  threshold: 6.5,
  class: className,
});

/** Boats are taken for cars, everything known is accepted; of the unknown only the first of each set is. */
const lines = [
  ...[...drawKnown('test', 2)].map(({ path }) => {
    const name = path.split('/')[0]!;
    return answer(`test:${path}`, 'id', name === 'boat' ? 'car' : name);
  }),
  ...unknownSetNames.flatMap((set) =>
    [...drawUnknown(set, 12)].map(({ path }, i) =>
      answer(`unknown:${set}/${path}`, i === 0 ? 'id' : 'ood', 'fish'),
    ),
  ),
];
const answers = readAnswers(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`, folder);

describe('the summary of the scores', () => {
  it('counts right classes and accepted pictures', () => {
    const { known, unknown } = summarize(answers);
    const pictures = 2 * classNames.length;
    expect(known).toEqual({ name: 'test', pictures, accepted: pictures, correct: pictures - 2 });
    expect(unknown).toEqual(unknownSetNames.map((name) => ({ name, pictures: 12, accepted: 1 })));
  });

  it('shows the first pictures of each class and of each other set, whatever became of them', () => {
    const [known, ...unknown] = sheetSections(answers);
    expect(known!.tiles.map(({ captions }) => captions[0])).toEqual(
      [...classNames, ...classNames].map((name) => (name === 'boat' ? 'car' : name)),
    );
    expect(known!.tiles[0]!.picture).toEqual([...drawKnown('test', 1)][0]!.picture);
    expect(known!.title).toContain('100.0 %');
    for (const [i, section] of unknown.entries()) {
      expect(section.title).toBe(`${unknownSetNames[i]}: 91.7 % refused`);
      expect(section.tiles.map(({ isAccepted }) => isAccepted)).toEqual([true, ...Array(11).fill(false)]);
      expect(section.tiles.map(({ captions }) => captions[0])).toEqual([
        'fish',
        ...Array(11).fill('unknown'),
      ]);
      expect(section.tiles[0]!.captions[1]).toBe('7.12');
    }
  });

  it('names the threshold', () => {
    expect(sheetTitle(answers)).toContain('from 6.50');
  });

  it('says which picture has no score', () => {
    const some = new Map([...answers].filter(([path]) => path !== 'test/fish/001.png'));
    expect(() => sheetSections(some)).toThrow('test/fish/001.png');
  });
});

describe('a printed command', () => {
  it('is broken into lines that a shell joins again', () => {
    const parts = [
      'himplos',
      'evaluate',
      ...Array.from({ length: 9 }, (_, i) => `--ood set${i}=pictures/unknown/${i}`),
    ];
    const text = formatCommand(parts);
    expect(text.split('\n').length).toBeGreaterThan(2);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text.replaceAll(/ \\\n {4}/g, ' ')).toBe(parts.join(' '));
  });
});
