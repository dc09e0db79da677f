import { describe, expect, it } from 'vitest';
import { csvLine } from '../../../calibrate/results/csv.ts';
import { formatResults } from '../../../calibrate/results/format-results.ts';
import { separate } from '../../../calibrate/results/measure.ts';
import type { ResultRow, Results } from '../../../calibrate/results/results.ts';
import { allocateScores, type Scores } from '../../../shared/methods/contract.ts';

function row(method: string, params: Record<string, string>, ood: string, fpr95: number): ResultRow {
  const figures = { fpr95, fpr95_ood: 0.5, auroc: 0.92841, aupr_in: 0.97, aupr_out: 0.81 };
  return { method, params, ood, ...figures, n_id: 2000, n_ood: 600 };
}

const results: Results = {
  rows: [
    row('himplos', { mask: '50', clip: '1' }, 'textures', 0.316),
    row('himplos', { mask: '50', clip: '1' }, 'a|b', 1),
    row('himplos', { mask: '50', clip: '1' }, 'average', 0.658),
    row('msp', {}, 'textures', 0.72),
    row('msp', {}, 'a|b', 0),
    row('msp', {}, 'average', 0.36),
  ],
  id: { accuracy: 0.8685, n: 2000, coverage: 0.9475 },
  skipped: [{ method: 'knn', reason: 'no bank' }],
  warnings: ['train and calibration share 1 contents'],
};

describe('results as a table', () => {
  it('have a line a method and a column a set, in percent, numbers under each other', () => {
    const [header, ...lines] = formatResults(results, 'table').split('\n');
    expect(header).toMatch(/^FPR95 ↓ \/ AUROC ↑ +textures +a\|b +average$/);
    expect(lines).toEqual([
      'himplos:mask=50,clip=1  31.60* / 92.84*  100.00+ / 92.84*  65.80+ / 92.84*',
      'msp                     72.00+ / 92.84*    0.00* / 92.84*  36.00* / 92.84*',
      '* best, + second best of the column',
      '',
      '2000 in-distribution samples, accuracy 86.85 %, γ accepts 94.75 %',
      'skipped knn: no bank',
      'warning: train and calibration share 1 contents',
      '',
    ]);
    expect(header!.length).toBe(lines[0]!.length);
  });

  it('leave out what is not known', () => {
    const text = formatResults({ rows: results.rows, id: { accuracy: null, n: 5, coverage: null } }, 'table');
    expect(text.trimEnd().split('\n').at(-1)).toBe('5 in-distribution samples');
  });

  it('say so when nothing was measured', () => {
    const text = formatResults({ rows: [], id: { accuracy: 0.5, n: 4, coverage: 1 } }, 'table');
    expect(text).toBe(
      'no OOD set was given\n\n4 in-distribution samples, accuracy 50.00 %, γ accepts 100.00 %\n',
    );
  });
});

describe('results as Markdown', () => {
  it('are a table whose cells cannot break out of it', () => {
    const lines = formatResults(results, 'markdown').split('\n');
    expect(lines.slice(0, 4)).toEqual([
      '| FPR95 ↓ / AUROC ↑ | textures | a\\|b | average |',
      '| --- | ---: | ---: | ---: |',
      '| himplos:mask=50,clip=1 | **31.60** / **92.84** | <u>100.00</u> / **92.84** | <u>65.80</u> / **92.84** |',
      '| msp | <u>72.00</u> / **92.84** | **0.00** / **92.84** | **36.00** / **92.84** |',
    ]);
    const named = { ...results, rows: [row('msp', {}, '<img src=x onerror=alert(1)>\n[a](b)', 0)] };
    expect(formatResults(named, 'markdown').split('\n')[0]).toBe(
      '| FPR95 ↓ / AUROC ↑ | \\<img src=x onerror=alert(1)\\> \\[a\\](b) |',
    );
  });
});

describe('results as LaTeX', () => {
  it('have a column a figure under each set, and escape names', () => {
    const named = [
      ...results.rows.slice(0, 2),
      row('himplos', { mask: '50', clip: '1' }, '50%_$x^2\\end{tabular}日', 0),
    ];
    const text = formatResults({ ...results, rows: named }, 'latex');
    expect(text).toContain('\\begin{tabular}{lrrrrrr}');
    expect(text).toContain('\\multicolumn{2}{c}{textures}');
    expect(text).toContain('{50\\%\\_\\$x\\textasciicircum{}2\\textbackslash{}end\\{tabular\\}U+65E5}');
    expect(text).toContain('himplos:mask=50,clip=1 & 31.60 & 92.84 & 100.00 & 92.84 &');
    expect(text).toContain('FPR95 $\\downarrow$ & AUROC $\\uparrow$');
  });

  it('have the best in bold and the second underlined', () => {
    const text = formatResults(results, 'latex');
    expect(text).toContain('\\textbf{31.60}');
    expect(text).toContain('\\underline{72.00}');
  });
});

describe('results as JSON', () => {
  it('are exactly the results', () => {
    expect(JSON.parse(formatResults(results, 'json'))).toEqual(results);
  });
});

describe('results as CSV', () => {
  it('have a line a method and set, figures as fractions in full', () => {
    const lines = formatResults(results, 'csv').split('\n');
    expect(lines[0]).toBe('method,params,ood,fpr95,auroc,aupr_in,aupr_out,fpr95_ood,n_id,n_ood');
    expect(lines[1]).toBe(
      'himplos,"{""clip"":""1"",""mask"":""50""}",textures,0.316,0.92841,0.97,0.81,0.5,2000,600',
    );
    expect(lines.length).toBe(results.rows.length + 2);
  });
});

describe('a line of CSV', () => {
  it('quotes what would end a cell', () => {
    expect(csvLine(['a,b', 'say "no"', 'two\nlines', 'plain', ''])).toBe(
      '"a,b","say ""no""","two\nlines",plain,\n',
    );
  });

  it.each(['=1+1', '@SUM(A1)', '+cmd', '-2+3', '\tx', '-', '=HYPERLINK("http://x","y")'])(
    'keeps a spreadsheet from running %j',
    (cell) => {
      expect(csvLine([cell])).toMatch(/^"?'/);
    },
  );

  it.each(['-1.5', '+3', '-1e-7', '1e+21', '0.25', '-.5'])('leaves the number %s a number', (cell) => {
    expect(csvLine([cell])).toBe(`${cell}\n`);
  });
});

describe('separation from several sets', () => {
  const scores = (...values: number[]): Scores => {
    const all = allocateScores(values.length);
    all.score.set(values);
    return all;
  };
  const id = scores(3, 4, 5, 6);

  it('has a row a set and their average, each set counting the same', () => {
    const far = { name: 'far', scores: scores(0, 1) };
    const near = { name: 'near', scores: scores(3.5, 9, 9, 1) };
    const rows = separate('energy:temperature=1', id, [far, near]);
    expect(rows.map(({ method, params, ood, n_id, n_ood }) => [method, params, ood, n_id, n_ood])).toEqual([
      ['energy', { temperature: '1' }, 'far', 4, 2],
      ['energy', { temperature: '1' }, 'near', 4, 4],
      ['energy', { temperature: '1' }, 'average', 4, 6],
    ]);
    expect(rows.map(({ fpr95 }) => fpr95)).toEqual([0, 0.75, 0.375]);
    expect(rows.map(({ auroc }) => auroc)).toEqual([1, 7 / 16, 23 / 32]);
  });

  it('has no row without a set', () => {
    expect(separate('msp', id, [])).toEqual([]);
  });
});
