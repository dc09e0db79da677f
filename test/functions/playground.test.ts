import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlaygroundPage, PLAYGROUND_FILE } from '../../functions/build/playground.ts';
import { parseVector } from '../../functions/playground/client/parse-vector.ts';
import { calibrateDemoDetector, type DemoDetector, runQuietly } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { CHROMIUM, openPage, type Page } from './chromium.ts';
import { type Served, serveWith } from './served.ts';

/** Text, its colour and the colour behind it, of everything that has text of its own. */
const COLORS_OF_TEXT = `[...document.querySelectorAll('body *')].flatMap((node) => {
  const isText = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== '');
  if (!isText || node.namespaceURI.endsWith('svg') || node.closest('.skip') || node.checkVisibility() === false) return [];
  let behind = node;
  while (behind !== null && /, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  return [[node.textContent, getComputedStyle(node).color, getComputedStyle(behind ?? document.body).backgroundColor]];
})`;

/** Contrast of two colours, \`rgb(r, g, b)\`, as WCAG 2.2 defines it: 1 to 21. */
function contrast(one: string, other: string): number {
  const luminance = (color: string) => {
    const [r, g, b] = color.match(/[\d.]+/g)!.map((part) => {
      const value = Number(part) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Where to put pictures of the page, for people to look at. */
const SHOTS = process.env.HIMPLOS_SCREENSHOTS;

it('the committed page follows from its sources (else: node functions/build/playground.ts)', async () => {
  expect(readFileSync(PLAYGROUND_FILE, 'utf8') === (await makePlaygroundPage())).toBe(true);
});

it('reads vectors as people paste them', () => {
  for (const text of ['[1, 2.5, -3e1]', '1 2.5 -30', '1,2.5,-30', '1\n2.5\n-30\n', '(1; 2.5; -30)']) {
    expect(parseVector(text, 3)).toEqual([1, 2.5, -30]);
  }
  expect(() => parseVector('1, 2', 3)).toThrow(/Expected 3 numbers.*got 2/);
  expect(() => parseVector('1, x, 3', 3)).toThrow(/“x” is not a number \(number 2 of 3\)/);
  expect(() => parseVector('1, NaN, 3', 3)).toThrow(/“NaN”/);
});

describe.skipIf(CHROMIUM === undefined)('the playground in headless Chromium (needs chromium)', () => {
  let demo: DemoDetector;
  let served: Served;
  let page: Page;
  /** What the tool says of every picture. */
  let lines: { path: string; decision: string; score: number; class: string; p: number }[];
  beforeAll(async () => {
    demo = await calibrateDemoDetector(newFolder());
    lines = [];
    for (const folder of [demo.test, ...readdirSync(demo.unknown).map((name) => join(demo.unknown, name))]) {
      const printed = await runQuietly(['score', '--detector', demo.detector, '--device', 'cpu', folder]);
      for (const line of printed.trim().split('\n')) {
        const { name, ...rest } = JSON.parse(line);
        lines.push({ ...rest, path: join(folder, name) });
      }
    }
    served = await serveWith(['--detector', demo.detector]);
    page = await openPage();
    await page.resize(1100, 900);
    await page.open(`${served.address}/playground`);
    await page.until("document.querySelector('#detector').textContent.includes('γ')");
  });
  afterAll(async () => {
    await page?.close();
    await served?.stop();
  });

  async function shoot(name: string): Promise<void> {
    if (SHOTS !== undefined) await page.screenshot(join(SHOTS, `${name}.png`));
  }

  /** Chooses a picture; resolves to what the page then says of it. */
  async function choose(path: string): Promise<string> {
    await page.evaluate("document.querySelector('#answer').replaceChildren()");
    await page.choose('#image', path);
    await page.until("document.querySelector('.decision')");
    return page.evaluate<string>("document.querySelector('#answer').innerText");
  }

  it.each(['id', 'ood'])('shows the same decision, class and score as the tool: %s', async (decision) => {
    const line = lines.find((one) => one.decision === decision)!;
    const text = await choose(line.path);
    expect(text).toContain(decision === 'id' ? `Accepted: ${line.class}` : 'Refused');
    const score = Number(/Score\s+(\S+)/.exec(text)![1]);
    expect(score).toBeCloseTo(line.score, 2);
    expect(Number(/p-value\s+(\S+)/.exec(text)![1])).toBeCloseTo(line.p, 3);
    const label = await page.evaluate<string>("document.querySelector('svg').getAttribute('aria-label')");
    expect(label).toContain(`this sample ${score}`);
    expect(await page.evaluate("document.querySelectorAll('svg .bar').length")).toBe(40);
    await shoot(decision);
  });

  it('says in plain words what the decision means and why', async () => {
    const refused = await choose(lines.find(({ decision }) => decision === 'ood')!.path);
    expect(refused).toMatch(/nothing the classifier knows.*would have said “/);
    expect(refused).toMatch(/is below the threshold γ/);
    expect(refused).toMatch(
      /Of 120 known images that were set aside for this, (none scores|one scores|\d+ score) as low/,
    );
    const accepted = await choose(lines.find(({ decision }) => decision === 'id')!.path);
    expect(accepted).toMatch(/looks like what the classifier knows/);
    expect(accepted).toMatch(/is at or above the threshold γ/);
  });

  it('marks the score among the calibration scores, on its side of γ', async () => {
    for (const decision of ['id', 'ood']) {
      await choose(lines.find((one) => one.decision === decision)!.path);
      const x = (selector: string) =>
        page.evaluate<number>(`Number(document.querySelector('svg line.${selector}').getAttribute('x1'))`);
      const [mark, gamma] = [await x('mark'), await x('gamma')];
      expect(mark >= gamma).toBe(decision === 'id');
    }
  });

  it('takes a picture that is dropped', async () => {
    const { path, decision } = lines[0]!;
    const base64 = readFileSync(path).toString('base64');
    await page.evaluate("document.querySelector('#answer').replaceChildren()");
    await page.evaluate(`{
      const dataTransfer = new DataTransfer();
      const bytes = Uint8Array.from(atob('${base64}'), (character) => character.charCodeAt(0));
      dataTransfer.items.add(new File([bytes], 'dropped.png'));
      for (const type of ['dragenter', 'dragover', 'drop']) {
        document.querySelector('#drop').dispatchEvent(new DragEvent(type, { dataTransfer, cancelable: true }));
      }
    }`);
    await page.until(`document.querySelector('.decision.${decision}')`);
    expect(await page.evaluate("document.querySelector('.picture').alt")).toContain('dropped.png');
  });

  it('explains a broken file, and goes on afterwards', async () => {
    const broken = join(newFolder(), 'broken.png');
    const whole = readFileSync(lines[0]!.path);
    writeFileSync(broken, whole.subarray(0, whole.length / 2));
    await page.choose('#image', broken);
    await page.until("document.querySelector('#problem').textContent !== ''");
    const text = await page.evaluate<string>("document.querySelector('#problem').innerText");
    expect(text).toMatch(/No answer/);
    expect(text).toMatch(/^the png image cannot be decoded/im);
    expect(text).toMatch(/What to do: the file is damaged or truncated/);
    expect(text).not.toContain('--skip-bad');
    await shoot('broken');
    await choose(lines[0]!.path);
    expect(await page.evaluate("document.querySelector('#problem').textContent")).toBe('');
  });

  it('scores a pasted vector by keyboard alone', async () => {
    const { width } = await (await fetch(`${served.address}/v1/detector`)).json();
    await page.evaluate("document.querySelector('#image').focus()");
    await page.evaluate("document.querySelector('#answer').replaceChildren()");
    await page.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('vector');
    await page.type(Array.from({ length: width }, (_, i) => (i % 7) / 10).join(', '));
    await page.press('Tab');
    await page.press('Enter');
    await page.until("document.querySelector('.decision')");
    expect(await page.evaluate("document.querySelector('#answer').innerText")).toMatch(/Score/);
    await page.evaluate("document.querySelector('#vector').value = '1, 2'");
    await page.press('Enter');
    await page.until("document.querySelector('#problem').textContent !== ''");
    expect(await page.evaluate("document.querySelector('#problem').innerText")).toContain(
      `Expected ${width} numbers`,
    );
  });

  it('is what a screen reader needs: names, landmarks, live regions', async () => {
    await choose(lines[0]!.path);
    const tree = await page.accessibility();
    for (const entry of [
      'heading: Does the classifier know this?',
      'heading: Try a sample',
      'heading: Result',
      'region: Result',
      'link: Skip to the result',
      'button: Score the vector',
      'textbox: Or paste penultimate features',
    ]) {
      expect(tree).toContain(entry);
    }
    expect(
      tree.some((entry) => /^(image|img|graphics-document|SvgRoot): Calibration scores from/.test(entry)),
    ).toBe(true);
    expect(await page.evaluate("document.querySelector('#answer').getAttribute('aria-live')")).toBe('polite');
    expect(await page.evaluate("document.querySelector('#problem').getAttribute('role')")).toBe('alert');
  });

  it('fits a phone: nothing is wider than 360 pixels, and the result comes into view', async () => {
    await page.resize(360, 740);
    await page.evaluate('scrollTo(0, 0)');
    await choose(lines.find(({ decision }) => decision === 'ood')!.path);
    await page.until("document.querySelector('#result').getBoundingClientRect().top < 370");
    await page.evaluate("document.querySelector('details').open = true");
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    await shoot('phone');
    await page.resize(1100, 900);
  });

  it.each(['light', 'dark'] as const)('can be read in %s colours: contrast of 4.5 to 1', async (scheme) => {
    await page.colors(scheme);
    for (const decision of ['id', 'ood']) {
      await choose(lines.find((one) => one.decision === decision)!.path);
      const colors = await page.evaluate<[string, string, string][]>(COLORS_OF_TEXT);
      expect(colors.length).toBeGreaterThan(20);
      for (const [text, color, behind] of colors) {
        expect([text, contrast(color, behind) >= 4.5]).toEqual([text, true]);
      }
      await shoot(`${scheme}-${decision}`);
    }
    await page.colors('light');
  });

  it('asks nobody but its server, and its policy finds nothing to refuse', async () => {
    const hosts = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin)";
    const origins = await page.evaluate<string[]>(hosts);
    expect(new Set(origins.filter((origin) => origin !== 'null'))).toEqual(new Set([served.address]));
    // The browser itself notes the refused requests of the tests above.
    expect(page.complaints.filter((text) => !text.includes('status of 400'))).toEqual([]);
  });

  it('sends a policy that allows its own files only, and runs without anything else', async () => {
    const policy = (await fetch(`${served.address}/playground`)).headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    // Were a script injected, the policy would refuse it.
    await page.evaluate(`{
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.body.append(script);
    }`);
    expect(await page.evaluate('window.injected === undefined')).toBe(true);
    const refused = page.complaints.filter((text) => /Content.Security.Policy/.test(text));
    expect(refused.length).toBeGreaterThan(0);
  });
});
