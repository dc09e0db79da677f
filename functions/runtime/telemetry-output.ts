import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

/** A metric's name, unit and value. */
export type Metric = readonly [name: string, unit: keyof typeof MetricUnit, value: number];

/** What a line of the log says besides its message. */
export type Facts = Error | Record<string, string | number>;

/** Structured logs and embedded metrics on standard output, by Powertools. */
export class TelemetryOutput {
  readonly #logger: Logger;
  readonly #metrics: Metrics;

  constructor(detector: string) {
    this.#logger = new Logger({ serviceName: 'himplos' });
    this.#logger.appendKeys({ detector });
    this.#metrics = new Metrics({
      namespace: 'himplos',
      serviceName: 'himplos',
      defaultDimensions: { detector },
    });
  }

  /** What is logged from now on belongs to an invocation. */
  begin(requestId: string): void {
    this.#logger.appendKeys({ request_id: requestId });
  }

  log(level: 'info' | 'warn' | 'error', message: string, facts: Facts): void {
    // One way of calling it each.
    if (facts instanceof Error) this.#logger[level](message, facts);
    else this.#logger[level](message, facts);
  }

  publish(metrics: readonly Metric[], metadata: Readonly<Record<string, string>>): void {
    for (const [name, unit, value] of metrics) this.#metrics.addMetric(name, MetricUnit[unit], value);
    for (const [key, value] of Object.entries(metadata)) this.#metrics.addMetadata(key, value);
    this.#metrics.publishStoredMetrics();
  }
}
