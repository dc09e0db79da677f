import { type DetectorAnswer, type Result, round } from './answers.ts';

const NAMESPACE = 'http://www.w3.org/2000/svg';
const HEIGHT = 224;
const LEFT = 16;
const BASE = 170;
const TOP = 34;
/** Below the names of the regions. */
const BARS_TOP = TOP + 24;

/** The calibration scores as a histogram, with γ and the sample's score. Described in words for those who cannot see it. */
export function drawChart(result: Result, detector: DetectorAnswer): SVGElement {
  const { calibration_histogram: histogram, gamma } = detector;
  const { score, decision } = result;
  const low = Math.min(histogram.from, score, gamma);
  const high = Math.max(histogram.to, score, gamma);
  const span = high > low ? high - low : 1;
  // A phone's picture has fewer units, so that its text stays readable.
  const width = document.documentElement.clientWidth < 600 ? 340 : 640;
  const x = (value: number) => LEFT + ((value - low) / span) * (width - 2 * LEFT);
  const most = Math.max(...histogram.counts);
  const step = (histogram.to - histogram.from) / histogram.counts.length;
  const border = x(gamma);
  const svg = element('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img' });
  const label = `Calibration scores from ${round(histogram.from)} to ${round(histogram.to)}; threshold ${round(gamma)}; this sample ${round(score)}.`;
  svg.setAttribute('aria-label', label);
  svg.append(region('ood', LEFT, border), region('id', border, width - LEFT));
  histogram.counts.forEach((count, i) => {
    const from = x(histogram.from + i * step);
    const to = x(histogram.from + (i + 1) * step);
    const height = (count / most) * (BASE - BARS_TOP);
    svg.append(
      element('rect', { class: 'bar', x: from, y: BASE - height, width: Math.max(1, to - from - 1), height }),
    );
  });
  svg.append(
    element('line', { class: 'axis', x1: LEFT, x2: width - LEFT, y1: BASE, y2: BASE }),
    element('line', { class: 'gamma', x1: border, x2: border, y1: TOP - 8, y2: BASE }),
    caption(`γ ${round(gamma)}`, border, TOP - 14, width),
    name('refused', 'end', border - 8, LEFT),
    name('accepted', 'start', border + 8, width - LEFT),
    ...mark(x(score), decision),
    caption(`this sample ${round(score)}`, x(score), BASE + 38, width),
  );
  return svg;
}

/** A line through the picture, and a triangle that points up at the axis. */
function mark(x: number, decision: string): SVGElement[] {
  return [
    element('path', { class: `mark ${decision}`, d: `M${x} ${BASE + 2} l-9 16 h18 z` }),
    element('line', { class: `mark ${decision}`, x1: x, x2: x, y1: TOP, y2: BASE }),
  ];
}

/** The scores for which a decision is made. */
function region(decision: string, from: number, to: number): SVGElement {
  return element('rect', {
    class: `region ${decision}`,
    x: from,
    y: TOP,
    width: to - from,
    height: BASE - TOP,
  });
}

/** What a region is called, beside γ; nothing where it has no room. */
function name(text: string, anchor: 'start' | 'end', x: number, edge: number): SVGElement {
  const node = element('text', { x, y: TOP + 16, 'text-anchor': anchor, class: 'region' });
  if (Math.abs(edge - x) >= text.length * 8.4) node.textContent = text;
  return node;
}

/** Text around x that stays inside the picture. */
function caption(text: string, x: number, y: number, width: number): SVGElement {
  const half = text.length * 4.2;
  const at = Math.min(width - half, Math.max(half, x));
  const node = element('text', { x: at, y, 'text-anchor': 'middle' });
  node.textContent = text;
  return node;
}

function element(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const node = document.createElementNS(NAMESPACE, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}
