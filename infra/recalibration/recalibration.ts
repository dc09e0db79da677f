import { Duration, RemovalPolicy, Stack, TimeZone } from 'aws-cdk-lib';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import type { IQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { Environment, RecalibrationConfig } from '../config/environment.ts';
import { accountIn, acknowledge } from '../constructs/acknowledge.ts';
import type { ArtifactBucket } from '../constructs/artifact-bucket.ts';
import { layoutOf } from '../constructs/bucket-layout.ts';
import { deadLetterQueue } from '../constructs/dead-letter-queue.ts';
import type { Notices } from '../constructs/notices.ts';
import { pipelineDefinition } from './definition.ts';
import { Jobs } from './jobs.ts';
import { Network } from './network.ts';
import { Queues } from './queues.ts';

export interface RecalibrationProps {
  readonly environment: Environment;
  readonly config: RecalibrationConfig;
  readonly artifacts: ArtifactBucket;
  readonly notices: Notices;
  /** Folder with the Dockerfile; undefined where the configuration names an image. */
  readonly container: string | undefined;
}

/** Calibrates anew on a schedule: EventBridge Scheduler starts a state machine, which runs arrays of Batch jobs. */
export class Recalibration extends Construct {
  readonly stateMachine: StateMachine;
  /** Starts that the scheduler could not make. */
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: RecalibrationProps) {
    super(scope, id);
    const { environment, config, artifacts, notices } = props;
    const network = new Network(this, 'Network', { logRetentionDays: environment.logRetentionDays });
    const queues = new Queues(this, 'Queues', { config, network });
    const image = this.#image(props);
    const jobs = new Jobs(this, 'Jobs', { environment, config, artifacts, image });
    const { work } = layoutOf(environment.detector);
    const log = new LogGroup(this, 'Log', {
      retention: environment.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = this.#role(queues, jobs, notices);
    const { partition } = Stack.of(this);
    const definition = pipelineDefinition({
      ...config,
      partition,
      work: `s3://\${Bucket}/${work.slice(0, -1)}`,
    });
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      definitionBody: DefinitionBody.fromString(JSON.stringify(definition)),
      definitionSubstitutions: {
        Bucket: artifacts.bucket.bucketName,
        Detector: environment.detector,
        Channel: environment.channel,
        Topic: notices.topic.topicArn,
        ShardQueue: queues.shards.jobQueueArn,
        MergeQueue: queues.small.jobQueueArn,
        PromoteQueue: queues.small.jobQueueArn,
        ShardJob: jobs.shard.jobDefinitionArn,
        MergeJob: jobs.merge.jobDefinitionArn,
        PromoteJob: jobs.promote.jobDefinitionArn,
      },
      role,
      tracingEnabled: true,
      logs: { destination: log, level: LogLevel.ALL, includeExecutionData: false },
    });
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    acknowledge(
      this.deadLetters,
      'it is the dead-letter queue of the schedule below, which the rule does not look at',
      'AwsSolutions-SQS3',
    );
    new Schedule(this, 'Schedule', {
      description: `himplos: calibrates ${environment.detector} anew`,
      schedule: ScheduleExpression.expression(config.schedule, TimeZone.of(config.timeZone)),
      enabled: config.isEnabled,
      target: new StepFunctionsStartExecution(this.stateMachine, {
        deadLetterQueue: this.deadLetters as IQueue,
        retryAttempts: 3,
        maxEventAge: Duration.hours(1),
      }),
    });
  }

  #image({ config, container }: RecalibrationProps): ContainerImage {
    const { image, compute } = config;
    if (image !== 'build') {
      return ContainerImage.fromEcrRepository(
        Repository.fromRepositoryName(this, 'Repository', image.repository),
        image.digest,
      );
    }
    return ContainerImage.fromDockerImageAsset(
      new DockerImageAsset(this, 'Image', {
        directory: container!,
        target: compute.type === 'gpu' ? 'cuda' : 'cpu',
        platform: Platform.LINUX_AMD64,
      }),
    );
  }

  #role(queues: Queues, jobs: Jobs, { topic, key }: Notices): Role {
    const { partition, region, account } = Stack.of(this);
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('states.amazonaws.com') });
    jobs.shard.grantSubmitJob(role, queues.shards);
    jobs.merge.grantSubmitJob(role, queues.small);
    jobs.promote.grantSubmitJob(role, queues.small);
    const batch = `arn:${partition}:batch:${region}:${account}`;
    const events = `arn:${partition}:events:${region}:${account}`;
    const allow = (sid: string, actions: string[], resources: string[]) =>
      role.addToPolicy(new PolicyStatement({ sid, actions, resources }));
    allow('StopJobs', ['batch:TerminateJob'], [`${batch}:job/*`]);
    allow('FollowJobs', ['batch:DescribeJobs'], ['*']);
    allow(
      'HearWhenJobsEnd',
      ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'],
      [`${events}:rule/StepFunctionsGetEventsForBatchJobsRule`],
    );
    allow('Tell', ['sns:Publish'], [topic.topicArn]);
    allow('TellEncrypted', ['kms:Decrypt', 'kms:GenerateDataKey'], [key.keyArn]);
    acknowledge(
      role,
      'AWS has no narrower resource for describing jobs, delivering logs and writing traces',
      'AwsSolutions-IAM5[Resource::*]',
    );
    acknowledge(
      role,
      'jobs get their identifiers when they are submitted',
      `AwsSolutions-IAM5[Resource::arn:${partition}:batch:${region}:${accountIn(this)}:job/*]`,
    );
    return role;
  }
}
