import { threshold95 } from '../../shared/metrics/separation.ts';
import { distributionChart } from './distribution-chart.ts';
import type { Html } from './html.ts';
import type { DetailedMethod, ReportData } from './report-data.ts';
import { rocChart } from './roc-chart.ts';

/** The score that decides in charts and tables: γ, or where there is none the threshold of FPR95. */
export function decidingScore({ threshold, detailed }: Pick<ReportData, 'threshold' | 'detailed'>): {
  readonly at: number;
  readonly text: string;
} {
  if (threshold !== undefined) return { at: threshold.gamma, text: `γ = ${threshold.gamma.toPrecision(4)}` };
  const at = threshold95(detailed.id.scores.score.toSorted());
  return { at, text: `95 % of ID ≥ ${at.toPrecision(4)}` };
}

/** Score distributions, ROC curves, and cosine distributions where the method has cosines. */
export function scoreCharts(data: Pick<ReportData, 'threshold' | 'detailed'>): Html[] {
  const { spec, id, ood } = data.detailed;
  const sets = [id, ...ood];
  const scores = sets.map(({ name, scores: { score } }) => ({ name, values: score }));
  const mark = decidingScore(data);
  const charts = [
    distributionChart({
      id: 'scores',
      title: 'Score distributions',
      description: `Scores of ${spec} for the in-distribution set and ${ood.length} out-of-distribution sets; ${mark.text}. Higher scores are more in-distribution.`,
      label: 'score (higher = more in-distribution)',
      sets: scores,
      mark,
    }),
  ];
  if (ood.length > 0) charts.push(rocChart(scores[0]!, scores.slice(1)));
  if (hasCosine(data.detailed)) {
    charts.push(
      distributionChart({
        id: 'cosines',
        title: 'Cosine to the predicted class’s prototype',
        description: `How well the features point to the mean of the predicted class, for the in-distribution set and ${ood.length} out-of-distribution sets.`,
        label: 'cosine',
        sets: sets.map(({ name, scores: { cosine } }) => ({ name, values: cosine })),
      }),
    );
  }
  return charts;
}

function hasCosine({ id, ood }: DetailedMethod): boolean {
  return [id, ...ood].every(({ scores }) => !scores.cosine.some(Number.isNaN));
}
