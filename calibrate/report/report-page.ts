import { createHash } from 'node:crypto';
import type { DetectorTuning } from '../../shared/artifact/detector-document.ts';
import { parseSpec } from '../../shared/methods/spec.ts';
import { notesOf } from '../results/format-results.ts';
import { percent } from '../results/table.ts';
import { Html, type HtmlValue, html } from './html.ts';
import type { ReportData } from './report-data.ts';
import {
  allFiguresTable,
  breakable,
  classTable,
  extremesTable,
  factsTable,
  figuresTable,
} from './report-tables.ts';
import type { SampledRows } from './sampled-rows.ts';
import { type ClassWeights, projectionChart, weightsChart } from './scatter-charts.ts';
import { scoreCharts } from './score-charts.ts';
import { STYLE } from './style.ts';
import { sweepCharts } from './sweep-charts.ts';

/**
 * A report as one HTML file that loads nothing and runs nothing: its content policy allows its own style sheet and
 * pictures inside the file. Whatever comes from the user is text.
 */
export function reportPage(data: ReportData): string {
  const sections = reportSections(data);
  const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${data.title}</title>
<link rel="icon" href="data:,">
<style>${new Html(STYLE)}</style>
</head>
<body>
<header>
<h1>${data.title}</h1>
<p>${data.summary}</p>
<p class="soft">Scores and charts of <code>${breakable(data.detailed.spec)}</code>. Higher scores are more in-distribution, for every method.</p>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
</header>
<main>
${sections.map(
  ({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-h">
<h2 id="${id}-h">${title}</h2>
${body}</section>
`,
)}</main>
<footer><p class="soft">himplos ${data.toolVersion}</p></footer>
</body>
</html>
`;
  return page.text;
}

interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: HtmlValue;
}

function reportSections(data: ReportData): Section[] {
  const { results, labels, threshold, sweep, ablation, detailed } = data;
  const byClass = classTable(data);
  const hasOod = detailed.ood.length > 0;
  const heading = sweep === undefined ? 'Methods' : 'Points';
  return [
    ...(threshold === undefined ? [] : [{ id: 'promise', title: 'What γ promises', body: promise(data) }]),
    ...(sweep === undefined || sweep.sweep.axes.length > 2
      ? []
      : [
          {
            id: 'sweep',
            title: 'Over the parameters',
            body: html`<div class="charts">${sweepCharts(sweep)}</div>`,
          },
        ]),
    {
      id: 'figures',
      title: 'Figures',
      body: [
        hasOod
          ? figuresTable(heading, results, labels)
          : html`<p>No OOD set was given, so there is nothing to separate from.</p>`,
        hasOod && allFiguresTable(data),
        notes(results),
      ],
    },
    { id: 'scores', title: 'Scores', body: html`<div class="charts">${scoreCharts(data)}</div>` },
    { id: 'features', title: 'Features', body: html`<div class="charts">${featureCharts(data)}</div>` },
    ...(ablation === undefined
      ? []
      : [
          {
            id: 'ablation',
            title: 'What each part adds',
            body: [
              html`<p>ReAct is the clip of activations, FM feature masking, LS logit smoothing; with all of them off the score is the energy.</p>`,
              figuresTable('Parts', ablation.results, ablation.labels),
            ],
          },
        ]),
    ...(byClass === undefined ? [] : [{ id: 'classes', title: 'Classes', body: byClass }]),
    {
      id: 'samples',
      title: 'Samples at the ends',
      body: html`<div class="extremes">${extremesTable(data)}</div>`,
    },
    { id: 'inputs', title: 'Parameters and data', body: html`<div class="facts">${inputs(data)}</div>` },
  ];
}

function promise({ threshold, results }: ReportData): Html {
  const { gamma, tpr, calibrationScores, index } = threshold!;
  const { coverage, n } = results.id;
  return html`<p class="promise">A sample is accepted when its score is at least <strong>γ = ${gamma.toPrecision(6)}</strong>.
A new in-distribution sample is accepted with a probability of at least <strong>${percent(tpr)} %</strong>, as long as it comes from where the ${calibrationScores} calibration samples came from.</p>
<p>γ lies just below the calibration score of rank ${index} of ${calibrationScores}, as in split conformal prediction: the probability is over new samples and calibration sets together. It promises nothing about samples that differ from the calibration samples, nothing about single classes, and nothing about how many unknown samples are refused: the figures below measure that, on the sets that were given.</p>
${coverage !== null && html`<p>Of ${n} in-distribution samples measured here, γ accepts ${percent(coverage)} %.</p>`}`;
}

function notes(results: ReportData['results']): Html {
  const sentences = notesOf(results, ['fpr95', 'auroc']);
  return html`<ul class="warnings">${sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>`;
}

function featureCharts({ samples, head, classNames }: ReportData): Html[] {
  const weights = classWeights(samples[0]!.sample, head, classNames);
  return [projectionChart(samples), ...(weights === undefined ? [] : [weightsChart(weights)])];
}

/** The class with the most sampled rows (the first of several); undefined without labels. */
function classWeights(
  { features, labels, rows, width }: SampledRows,
  head: ReportData['head'],
  classNames: readonly string[],
): ClassWeights | undefined {
  const counts = new Int32Array(head.classes);
  for (const label of labels) if (label >= 0) counts[label]!++;
  const samples = counts.reduce((a, b) => Math.max(a, b), 0);
  if (samples === 0) return undefined;
  const chosen = counts.indexOf(samples);
  const means = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    if (labels[row] !== chosen) continue;
    for (let l = 0; l < width; l++) means[l]! += features[row * width + l]! / samples;
  }
  const weights = head.weight.subarray(chosen * width, (chosen + 1) * width);
  return { name: classNames[chosen]!, weights, means, samples };
}

function tuningFacts(tuning: DetectorTuning): (readonly [string, HtmlValue])[] {
  const { grid, points, heldOut, outliers, seed, auroc } = tuning;
  return [
    ...grid.map(({ key, values }) => [key, `from ${values.join(', ')}`] as const),
    ['points', points],
    ['held-out samples', `${heldOut.count} of the calibration set`],
    ['outliers made of them', outliers.map(({ kind, count }) => `${count} ${kind}`).join(', ')],
    ['seed', seed],
    ['AUROC against them', percent(auroc)],
    ['OOD sets seen', 'none'],
  ];
}

function inputs({ detailed, head, model, preprocessing, data, tuning }: ReportData): Html {
  const { id, given } = parseSpec(detailed.spec);
  const parameters: (readonly [string, HtmlValue])[] = [
    ['method', id],
    ...Object.entries(given),
    ['classes', head.classes],
    ['penultimate features', head.width],
    [
      'model',
      model === null ? 'a head alone' : `${model.name ?? 'without a name'}, cut at ${model.headInput}`,
    ],
    ...(model === null ? [] : [['model, SHA-256', html`<code>${model.digest}</code>`] as const]),
    ['preprocessing', preprocessing === null ? 'none: features only' : JSON.stringify(preprocessing)],
  ];
  const sets = data.map(({ role, count, kind, digest }): readonly [string, HtmlValue] => [
    role,
    html`${count} ${kind === 'images' ? 'images' : 'rows of features'}<br><code>${digest}</code>`,
  ]);
  return html`${factsTable('Parameters', parameters)}${tuning && factsTable('How the parameters were chosen', tuningFacts(tuning))}${factsTable('Data, with the SHA-256 of its contents', sets)}`;
}
