import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Alias } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { AlarmsConfig } from '../config/environment.ts';
import { ownMetric } from './metrics.ts';

export interface AlarmsProps {
  readonly config: AlarmsConfig;
  readonly detector: string;
  readonly topic: ITopic;
}

const FIVE_MINUTES = Duration.minutes(5);

/** Everything somebody should be woken for, or at least told. No traffic is no alarm. */
export class Alarms extends Construct {
  readonly #config: AlarmsConfig;
  readonly #topic: ITopic;
  readonly all: Alarm[] = [];

  constructor(scope: Construct, id: string, { config, detector, topic }: AlarmsProps) {
    super(scope, id);
    this.#config = config;
    this.#topic = topic;
    const own = (name: string, statistic: 'Average' | 'Maximum' | 'Sum', period: Duration) =>
      ownMetric(detector, name, statistic, period);
    this.#add('Failures', 'answers 5xx', own('Failures', 'Sum', FIVE_MINUTES), config.errors);
    this.#add(
      'OodShare',
      'the share of refused samples is too high for three hours: the data have drifted, or the detector is wrong',
      own('OodShare', 'Average', Duration.hours(1)),
      config.oodSharePercent,
      3,
    );
    this.#add(
      'ArtifactAge',
      'the store has not confirmed the served version for too long',
      own('ArtifactAge', 'Maximum', FIVE_MINUTES),
      config.artifactAgeSeconds,
    );
    this.#add(
      'RefreshFailures',
      'functions cannot ask the store for news',
      own('RefreshFailures', 'Sum', FIVE_MINUTES),
      config.refreshFailures,
    );
  }

  /** Crashes, throttling and latency of a function as AWS sees them. */
  watchFunction(name: string, alias: Alias, { latency }: { readonly latency: boolean }): void {
    const { errors, p99Milliseconds } = this.#config;
    const period = FIVE_MINUTES;
    this.#add(`${name}Errors`, `${name} crashed or timed out`, alias.metricErrors({ period }), errors);
    this.#add(`${name}Throttles`, `${name} was throttled`, alias.metricThrottles({ period }), errors);
    if (!latency) return;
    const duration = alias.metricDuration({ statistic: 'p99', period });
    this.#add(`${name}P99`, `${name} is slow for a quarter of an hour`, duration, p99Milliseconds, 3);
  }

  watchQueue(name: string, queue: IQueue): void {
    const depth = queue.metricApproximateNumberOfMessagesVisible({
      statistic: 'Maximum',
      period: FIVE_MINUTES,
    });
    this.#add(`${name}DeadLetters`, `${name}: something failed for good`, depth, 1);
  }

  /** Anything else that should not happen even once. */
  watchFailures(name: string, description: string, metric: IMetric): void {
    this.#add(name, description, metric, 1);
  }

  #add(id: string, alarmDescription: string, metric: IMetric, threshold: number, periods = 1): void {
    const alarm = new Alarm(this, id, {
      alarmDescription: `himplos: ${alarmDescription}`,
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.#topic));
    alarm.addOkAction(new SnsAction(this.#topic));
    this.all.push(alarm);
  }
}
