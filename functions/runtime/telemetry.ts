import { HimplosError } from '../../shared/errors.ts';
import type { Scores } from '../../shared/methods/contract.ts';
import { conformalPValue } from '../../shared/metrics/p-values.ts';
import { isOutOfDistribution } from '../../shared/protocol/answer.ts';
import type { Observer, ServingDetector } from '../http/service.ts';
import type { Facts, Metric, TelemetryOutput } from './telemetry-output.ts';

/**
 * Counts what an invocation does and says it in structured logs and embedded metrics on standard output; neither ever
 * holds features or anything else of a request's body. Samples are counted in tenths of the calibration scores
 * (`ScoreTenth1` are the lowest): in production each holds a tenth of the samples as long as they are like the
 * calibration set.
 *
 * What writes is loaded by `open`, or else once the first answer is on its way (rationale.md), and then writes what has
 * been waiting.
 */
export class Telemetry implements Observer {
  readonly #detector: string;
  #output: TelemetryOutput | undefined;
  /** Undefined once it is known that nothing can be written. */
  #waiting: ((output: TelemetryOutput) => void)[] | undefined = [];
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
    this.#detector = detector;
  }

  /** Loads what writes. Never rejects: where that fails, standard error says so, and nothing else is written. */
  async open(): Promise<void> {
    try {
      const { TelemetryOutput } = await import('./telemetry-output.ts');
      this.#output ??= new TelemetryOutput(this.#detector);
      for (const write of this.#waiting?.splice(0) ?? []) write(this.#output);
    } catch (error) {
      this.#waiting = undefined;
      console.error('logs and metrics cannot be written', error);
    }
  }

  begin(requestId: string): void {
    this.#startedAt = performance.now();
    this.#write((output) => output.begin(requestId));
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
      this.#log('info', 'request refused', { status, code: error.code });
    } else if (error instanceof HimplosError) {
      this.#log('error', 'request failed', { status, code: error.code, reason: error.message });
    } else this.#log('error', 'request failed unexpectedly', error as Error);
  }

  /** Logs something that happened; nothing of a request's body may be in it. */
  note(message: string, facts: Readonly<Record<string, string>>): void {
    this.#log('info', message, facts);
  }

  refreshFailed(error: unknown): void {
    this.#refreshFailures++;
    this.#log(
      'warn',
      'the store could not be asked for news; the current version goes on serving',
      error as Error,
    );
  }

  /** Writes the invocation's metrics and forgets them. */
  end(): void {
    const metrics: Metric[] = [
      ['Requests', 'Count', 1],
      ['Latency', 'Milliseconds', performance.now() - this.#startedAt],
    ];
    for (const [name, milliseconds] of this.#stages) {
      metrics.push([`Latency_${name}`, 'Milliseconds', milliseconds]);
    }
    if (this.#isCold) metrics.push(['ColdStarts', 'Count', 1]);
    if (this.#status >= 500) metrics.push(['Failures', 'Count', 1]);
    else if (this.#status >= 400) metrics.push(['Refusals', 'Count', 1]);
    if (this.#refreshFailures > 0) metrics.push(['RefreshFailures', 'Count', this.#refreshFailures]);
    const version = this.#samples > 0 ? this.#addSamples(metrics, this.#serving!) : undefined;
    this.#write((output) =>
      output.publish(metrics, version === undefined ? {} : { artifact_version: version }),
    );
    // A turn of the event loop later the runtime has sent the answer. It asks for the next event once it has read that
    // the answer has arrived, and the container is not frozen before that.
    if (this.#isCold && this.#output === undefined) setImmediate(() => void this.open());
    this.#isCold = false;
    this.#stages.clear();
    this.#samples = 0;
    this.#outOfDistribution = 0;
    this.#refreshFailures = 0;
    this.#status = 200;
    this.#tenths.fill(0);
  }

  /** Returns the version that scored them. */
  #addSamples(metrics: Metric[], serving: ServingDetector): string {
    metrics.push(['Samples', 'Count', this.#samples]);
    metrics.push(['OodShare', 'Percent', (100 * this.#outOfDistribution) / this.#samples]);
    this.#tenths.forEach((count, i) => {
      if (count > 0) metrics.push([`ScoreTenth${i + 1}`, 'Count', count]);
    });
    metrics.push(['ArtifactAge', 'Seconds', (Date.now() - serving.confirmedAtMs) / 1000]);
    return serving.version;
  }

  #log(level: 'info' | 'warn' | 'error', message: string, facts: Facts): void {
    this.#write((output) => output.log(level, message, facts));
  }

  #write(write: (output: TelemetryOutput) => void): void {
    if (this.#output === undefined) this.#waiting?.push(write);
    else write(this.#output);
  }
}
