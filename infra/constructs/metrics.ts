import type { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';

/** A metric that functions write: see functions/runtime/telemetry.ts for what each counts. */
export function ownMetric(
  detector: string,
  metricName: string,
  statistic: 'Average' | 'Maximum' | 'Sum' | 'p99',
  period: Duration,
): Metric {
  return new Metric({
    namespace: 'himplos',
    metricName,
    dimensionsMap: { service: 'himplos', detector },
    statistic,
    period,
  });
}
