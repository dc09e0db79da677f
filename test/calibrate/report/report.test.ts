import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { drawFolder, GREY, smallProblem } from '../commands/small-problem.ts';
import { smallSets } from '../results/small-sets.ts';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { hasChromium, needsChromium, openInChromium } from './open-in-chromium.ts';

const HOSTILE = '<img src=x onerror=alert(1)>';

/** Tags of a page with their attributes, and the text between them, without a browser. */
function parseTags(page: string): { readonly tags: readonly string[]; readonly names: ReadonlySet<string> } {
  const body = page.replace(/<style>.*?<\/style>/s, '');
  const tags = body.match(/<[a-z!][^>]*>/gi) ?? [];
  return { tags, names: new Set(tags.map((tag) => /^<([a-z!]+[0-9]?)/i.exec(tag)![1]!.toLowerCase())) };
}

describe('a report', () => {
  const pages: Record<string, { path: string; text: string }> = {};
  beforeAll(async () => {
    const folder = newFolder();
    const sets = smallSets(folder);
    const classes = join(folder, 'classes.txt');
    writeFileSync(classes, `${HOSTILE}\n"quoted" & 'more'\n</td></table><script>alert(2)</script>\n`);
    const hostile = sets.options.map((option) => option.replace(/^far=/, '<img onerror>='));
    const common = [...hostile, '--classes', classes];
    const path = (name: string) => join(folder, `${name}.html`);
    await runWell(['calibrate', ...common, '--name', HOSTILE, '--out', join(folder, 'detector')]);
    await runWell([
      'compare',
      ...common,
      '--methods',
      'himplos,msp',
      '--bootstrap',
      '20',
      '--report',
      path('compare'),
    ]);
    await runWell([
      'sweep',
      ...common,
      '--vary',
      'mask=0,20',
      '--vary',
      'clip=1.0,none',
      '--report',
      path('sweep'),
    ]);
    await runWell(['compare', ...common, '--ablation', 'himplos', '--report', path('ablation')]);
    for (const [name, at] of [
      ['calibrate', join(folder, 'detector/report.html')],
      ...['compare', 'sweep', 'ablation'].map((name) => [name, path(name)]),
    ] as [string, string][]) {
      pages[name] = { path: at, text: readFileSync(at, 'utf8') };
    }
  });

  const names = ['calibrate', 'compare', 'sweep', 'ablation'];

  it.each(names)('of %s keeps names as text', (name) => {
    const { text } = pages[name]!;
    const { names: elements, tags } = parseTags(text);
    for (const element of ['script', 'img', 'iframe', 'object', 'form'])
      expect(elements).not.toContain(element);
    expect(tags.filter((tag) => /\son[a-z]+\s*=/i.test(tag.replaceAll(/"[^"]*"/g, '""')))).toEqual([]);
    expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;');
    expect(text).toContain('&lt;/td&gt;&lt;/table&gt;&lt;script&gt;');
    expect(text).toContain('&lt;img onerror&gt;');
    expect(text).not.toContain('<img');
  });

  it.each(names)('of %s allows its own style sheet and nothing else', (name) => {
    const { text } = pages[name]!;
    const style = /<style>(.*?)<\/style>/s.exec(text)![1]!;
    const digest = createHash('sha256').update(style).digest('base64');
    const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text)!;
    expect(policy!.replaceAll('&#39;', "'").split('; ')).toEqual([
      ...["default-src 'none'", `style-src 'sha256-${digest}'`, 'img-src data:'],
      ...["base-uri 'none'", "form-action 'none'"],
    ]);
    expect(parseTags(text).tags.filter((tag) => /\s(style|src|srcset)=/.test(tag))).toEqual([]);
    expect(text.match(/href="([^"]*)"/g)!.filter((href) => !/^href="(#|data:,")/.test(href))).toEqual([]);
    expect(text.match(/https?:/g)).toBeNull();
  });

  it.each(names)('of %s is well-formed, small, and names every chart', (name) => {
    const { text } = pages[name]!;
    expect(text.length).toBeLessThan(3_000_000);
    const { tags } = parseTags(text);
    for (const element of [
      'table',
      'tr',
      'td',
      'th',
      'svg',
      'figure',
      'section',
      'ul',
      'ol',
      'li',
      'p',
      'text',
    ]) {
      const opened = tags.filter((tag) => new RegExp(`^<${element}[ >]`).test(tag)).length;
      expect(text.split(`</${element}>`).length - 1, element).toBe(opened);
    }
    const charts = text.match(/<svg viewBox="0 0 440[^>]*>/g)!;
    expect(charts.length).toBeGreaterThanOrEqual(5);
    for (const svg of charts) {
      const [, title, description] = /role="img" aria-labelledby="(\S+) (\S+)"/.exec(svg)!;
      expect(text.split(`id="${title}"`)).toHaveLength(2);
      expect(text.split(`id="${description}"`)).toHaveLength(2);
    }
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('of calibrate says what γ promises, what each part adds, and what went in', () => {
    const { text } = pages.calibrate!;
    const headings = [...text.matchAll(/<h2[^>]*>(.*?)<\/h2>/g)].map(([, heading]) => heading);
    expect(headings).toEqual([
      ...['What γ promises', 'Figures', 'Scores', 'Features', 'What each part adds', 'Classes'],
      ...['Samples at the ends', 'Parameters and data'],
    ]);
    expect(text).toContain('with a probability of at least <strong>95.00 %</strong>');
    expect(text.match(/<code>[0-9a-f]{64}<\/code>/g)).toHaveLength(5);
  });

  it('of a sweep has its curves, and says that its best point has seen the OOD sets', () => {
    const { text } = pages.sweep!;
    expect(text).toContain('FPR95 over mask (lower is better)');
    expect(text).toContain('was picked on the OOD sets it is measured on');
  });

  it('is the same for the same inputs', async () => {
    const { path, text } = pages.compare!;
    const folder = newFolder();
    const sets = smallSets(folder);
    const again = ['compare', ...sets.options, '--methods', 'msp', '--report'];
    await runWell([...again, join(folder, 'one.html')]);
    await runWell([...again, join(folder, 'two.html')]);
    expect(readFileSync(join(folder, 'two.html'))).toEqual(readFileSync(join(folder, 'one.html')));
    expect(readError(await runCommand([...again, path])).message).toContain('there is a file of that name');
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it.skipIf(!hasChromium)(
    `opens without a request or a complaint, at any width, light and dark (${needsChromium})`,
    async () => {
      for (const [name, width, dark] of [
        ['calibrate', 1280, false],
        ['calibrate', 390, true],
        ['compare', 390, false],
        ['sweep', 1280, true],
      ] as const) {
        const visit = await openInChromium(pathToFileURL(pages[name]!.path).href, {
          width,
          dark,
          expressions: [
            'document.documentElement.scrollWidth <= document.documentElement.clientWidth',
            'getComputedStyle(document.body).backgroundColor',
            'document.querySelectorAll("img, script").length',
            'document.body.innerText.includes("<img src=x onerror=alert(1)>")',
          ],
        });
        expect(visit.requests, name).toEqual([]);
        expect(visit.complaints, name).toEqual([]);
        expect(visit.values, name).toEqual([true, dark ? 'rgb(20, 24, 29)' : 'rgb(255, 255, 255)', 0, true]);
      }
    },
    60_000,
  );
});

describe('thumbnails', () => {
  it('are in the report only where they were asked for, and need images', async () => {
    const problem = await smallProblem();
    const measured = ['--ood', `grey=${problem.ood}`];
    const plain = join(problem.folder, 'plain');
    await runWell(['calibrate', ...problem.options, ...measured, '--out', plain]);
    expect(readFileSync(join(plain, 'report.html'), 'utf8')).not.toContain('<img');
    const pictured = join(problem.folder, 'pictured');
    await runWell(['calibrate', ...problem.options, ...measured, '--out', pictured, '--thumbnails']);
    const text = readFileSync(join(pictured, 'report.html'), 'utf8');
    // 5 at either end of the 15 calibration images; all 4 grey ones are at both ends.
    expect(text.match(/<img src="data:image\/webp;base64,[A-Za-z0-9+/=]+" alt=""/g)).toHaveLength(18);
    const { options } = smallSets(newFolder());
    const refused = await runCommand([
      'calibrate',
      ...options,
      '--thumbnails',
      '--out',
      join(newFolder(), 'out'),
    ]);
    expect(readError(refused).message).toContain('--thumbnails: expected a source with images');
  });

  it('show the samples they stand beside', async () => {
    const problem = await smallProblem();
    const other = join(problem.folder, 'other');
    await drawFolder(other, GREY, 3, 9);
    const out = join(problem.folder, 'out');
    await runWell(['calibrate', ...problem.options, '--ood', `grey=${other}`, '--out', out, '--thumbnails']);
    const text = readFileSync(join(out, 'report.html'), 'utf8');
    for (const name of ['0000.png', '0001.png', '0002.png'])
      expect(text).toMatch(new RegExp(`height="48"> ${name}`));
  });
});
