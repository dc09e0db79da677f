import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlaygroundPage, PLAYGROUND_FILE } from '../../functions/build/playground.ts';
import { parseVector } from '../../functions/playground/client/parse-vector.ts';
import { calibrateDemoDetector, type DemoDetector, runQuietly } from '../calibrate/demo-detector.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { CHROMIUM, openPage, type Page } from './chromium.ts';
import { type Served, serveWith } from './served.ts';

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
    expect(text).toMatch(/png image cannot be decoded/);
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
      'heading: Playground',
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

  it('fits a phone: nothing is wider than 360 pixels', async () => {
    await page.resize(360, 740);
    await choose(lines.find(({ decision }) => decision === 'ood')!.path);
    await page.evaluate("document.querySelector('details').open = true");
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    await shoot('phone');
    await page.resize(1100, 900);
  });

  it('asks nobody but its server, and its policy finds nothing to refuse', async () => {
    const hosts = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin)";
    const origins = await page.evaluate<string[]>(hosts);
    expect(new Set(origins.filter((origin) => origin !== 'null'))).toEqual(new Set([served.address]));
    // The browser itself notes the refused requests of the tests above.
    expect(page.complaints.filter((text) => !text.includes('status of 400'))).toEqual([]);
  });
});
