import { Aspects, CfnOutput, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { BuildOutputs } from './config/build-outputs.ts';
import type { Environment } from './config/environment.ts';
import { Alarms } from './constructs/alarms.ts';
import { ArtifactBucket } from './constructs/artifact-bucket.ts';
import { layoutOf } from './constructs/bucket-layout.ts';
import { BulkFunction } from './constructs/bulk-function.ts';
import { Endpoint } from './constructs/endpoint.ts';
import { LeanDependencies } from './constructs/lean-dependencies.ts';
import { Notices } from './constructs/notices.ts';
import { Overview } from './constructs/overview.ts';
import { ScoringFunction } from './constructs/scoring-function.ts';
import { Recalibration } from './recalibration/recalibration.ts';

export interface HimplosStackProps extends StackProps {
  readonly environment: Environment;
  readonly outputs: BuildOutputs;
}

/** One detector, served: its bucket, its functions, what watches them, and what makes new versions of it. */
export class HimplosStack extends Stack {
  constructor(scope: Construct, id: string, { environment, outputs, ...props }: HimplosStackProps) {
    super(scope, id, props);
    Aspects.of(this).add(new LeanDependencies());
    const { detector, logRetentionDays } = environment;
    const artifacts = new ArtifactBucket(this, 'Artifacts', { whenDeleted: environment.artifacts });
    const notices = new Notices(this, 'Notices', { email: environment.alarms.email });
    const alarms = new Alarms(this, 'Alarms', { config: environment.alarms, detector, topic: notices.topic });

    for (const name of ['embeddings', 'images'] as const) {
      const config = environment.functions[name];
      if (config === undefined) continue;
      const zip = outputs.zips.get(name)!;
      const id = capitalize(name);
      const { alias, deadLetters } = new ScoringFunction(this, id, {
        name,
        zip,
        config,
        environment,
        artifacts,
      });
      new Endpoint(this, `${id}Endpoint`, { name, alias, access: config.access, logRetentionDays });
      alarms.watchFunction(id, alias, { latency: true });
      alarms.watchQueue(id, deadLetters);
    }

    const { bulk } = environment.functions;
    if (bulk !== undefined) {
      const zip = outputs.zips.get('bulk')!;
      const { alias, deadLetters } = new BulkFunction(this, 'Bulk', {
        zip,
        config: bulk,
        environment,
        artifacts,
      });
      alarms.watchFunction('Bulk', alias, { latency: false });
      alarms.watchQueue('Bulk', deadLetters);
    }

    const { recalibration: config } = environment;
    if (config !== undefined) {
      const { container } = outputs;
      const { stateMachine, deadLetters } = new Recalibration(this, 'Recalibration', {
        environment,
        config,
        artifacts,
        notices,
        container,
      });
      alarms.watchFailures('Recalibration', 'recalibration failed', stateMachine.metricFailed());
      alarms.watchFailures('RecalibrationLate', 'recalibration took too long', stateMachine.metricTimedOut());
      alarms.watchQueue('Schedule', deadLetters);
    }

    new Overview(this, 'Overview', { detector, alarms: alarms.all });
    new CfnOutput(this, 'Store', {
      value: `s3://${artifacts.bucket.bucketName}/${layoutOf(detector).store}`,
      description: 'What himplos publish and promote take as --store',
    });
  }

  /** Named by the region, not looked up: synthesis needs neither network nor account. */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }
}

function capitalize(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
