import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { HimplosError } from '../../shared/errors.ts';
import type { Scores } from '../../shared/methods/contract.ts';
import { conformalPValue } from '../../shared/metrics/p-values.ts';
import { isOutOfDistribution } from '../../shared/protocol/answer.ts';
import type { Observer, ServingDetector } from '../http/service.ts';

/**
 * Structured logs and embedded metrics on standard output; neither ever holds features or anything else of a
 * request's body. Samples are counted in tenths of the calibration scores (`ScoreTenth1` are the lowest): in
 * production each holds a tenth of the samples as long as they are like the calibration set.
 */
export class Telemetry implements Observer {
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #stages = new Map<string, number>();
  #startedAt = 0;
  #isCold = true;
  #samples = 0;
  #outOfDistribution = 0;
  #serving: ServingDetector | undefined;
  #refreshFailures = 0;
  #status = 200;
  readonly #tenths = new Uint32Array(10);

  constructor(detector: string) {
    this.#logger = new Logger({ serviceName: 'himplos' });
    this.#logger.appendKeys({ detector });
    this.#metrics = new Metrics({
      namespace: 'himplos',
      serviceName: 'himplos',
      defaultDimensions: { detector },
    });
  }

  begin(requestId: string): void {
    this.#startedAt = performance.now();
    this.#logger.appendKeys({ request_id: requestId });
  }

  stage(name: string, milliseconds: number): void {
    this.#stages.set(name, (this.#stages.get(name) ?? 0) + milliseconds);
  }

  scored(serving: ServingDetector, scores: Scores, rows: number): void {
    this.#serving = serving;
    this.#samples += rows;
    for (let row = 0; row < rows; row++) {
      const score = scores.score[row]!;
      if (isOutOfDistribution(score, scores.flags[row]!, serving.gamma)) this.#outOfDistribution++;
      const share = conformalPValue(serving.calibrationScores, score);
      this.#tenths[Math.min(9, Math.floor(share * 10))]!++;
    }
  }

  failed(error: unknown, status: number): void {
    this.#status = status;
    if (error instanceof HimplosError && status < 500) {
      // Without the message, which may quote the request.
      this.#logger.info('request refused', { status, code: error.code });
    } else if (error instanceof HimplosError) {
      this.#logger.error('request failed', { status, code: error.code, reason: error.message });
    } else this.#logger.error('request failed unexpectedly', error as Error);
  }

  /** Logs something that happened; nothing of a request's body may be in it. */
  note(message: string, facts: Readonly<Record<string, string>>): void {
    this.#logger.info(message, facts);
  }

  refreshFailed(error: unknown): void {
    this.#refreshFailures++;
    this.#logger.warn(
      'the store could not be asked for news; the current version goes on serving',
      error as Error,
    );
  }

  /** Writes the invocation's metrics and forgets them. */
  end(): void {
    const metrics = this.#metrics;
    metrics.addMetric('Requests', MetricUnit.Count, 1);
    metrics.addMetric('Latency', MetricUnit.Milliseconds, performance.now() - this.#startedAt);
    for (const [name, milliseconds] of this.#stages) {
      metrics.addMetric(`Latency_${name}`, MetricUnit.Milliseconds, milliseconds);
    }
    if (this.#isCold) metrics.addMetric('ColdStarts', MetricUnit.Count, 1);
    if (this.#status >= 500) metrics.addMetric('Failures', MetricUnit.Count, 1);
    else if (this.#status >= 400) metrics.addMetric('Refusals', MetricUnit.Count, 1);
    if (this.#refreshFailures > 0) {
      metrics.addMetric('RefreshFailures', MetricUnit.Count, this.#refreshFailures);
    }
    if (this.#samples > 0) this.#addSamples(metrics, this.#serving!);
    metrics.publishStoredMetrics();
    this.#isCold = false;
    this.#stages.clear();
    this.#samples = 0;
    this.#outOfDistribution = 0;
    this.#refreshFailures = 0;
    this.#status = 200;
    this.#tenths.fill(0);
  }

  #addSamples(metrics: Metrics, serving: ServingDetector): void {
    metrics.addMetric('Samples', MetricUnit.Count, this.#samples);
    metrics.addMetric('OodShare', MetricUnit.Percent, (100 * this.#outOfDistribution) / this.#samples);
    this.#tenths.forEach((count, i) => {
      if (count > 0) metrics.addMetric(`ScoreTenth${i + 1}`, MetricUnit.Count, count);
    });
    const age = (Date.now() - serving.confirmedAtMs) / 1000;
    metrics.addMetric('ArtifactAge', MetricUnit.Seconds, age);
    metrics.addMetadata('artifact_version', serving.version);
  }
}
