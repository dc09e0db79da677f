import { Duration } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IMetric,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { ownMetric } from './metrics.ts';

export interface OverviewProps {
  readonly detector: string;
  readonly alarms: readonly Alarm[];
}

/** One dashboard: alarms, traffic, latency, and where scores lie among those of calibration. */
export class Overview extends Construct {
  constructor(scope: Construct, id: string, { detector, alarms }: OverviewProps) {
    super(scope, id);
    const period = Duration.minutes(5);
    const sum = (name: string) => ownMetric(detector, name, 'Sum', period);
    const tenths = Array.from({ length: 10 }, (_, i) => sum(`ScoreTenth${i + 1}`));
    new Dashboard(this, 'Dashboard', {
      defaultInterval: Duration.days(1),
      widgets: [
        [new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 24 })],
        [
          graph('Requests', ['Requests', 'Refusals', 'Failures', 'ColdStarts'].map(sum)),
          graph('Latency in ms', [
            ownMetric(detector, 'Latency', 'Average', period),
            ownMetric(detector, 'Latency', 'p99', period),
          ]),
        ],
        [
          graph('Refused samples in %', [ownMetric(detector, 'OodShare', 'Average', period)]),
          graph('Samples by tenth of the calibration scores: level while nothing drifts', tenths, true),
        ],
        [
          graph('Seconds since the version was confirmed', [
            ownMetric(detector, 'ArtifactAge', 'Maximum', period),
          ]),
          graph('Failed looks at the store', [sum('RefreshFailures')]),
        ],
      ],
    });
  }
}

function graph(title: string, left: IMetric[], stacked = false): GraphWidget {
  return new GraphWidget({ title, left, stacked, width: 12 });
}
