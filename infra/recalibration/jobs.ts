import { Duration, RemovalPolicy, Size, Stack } from 'aws-cdk-lib';
import {
  Action,
  EcsEc2ContainerDefinition,
  EcsFargateContainerDefinition,
  EcsJobDefinition,
  type IEcsContainerDefinition,
  Reason,
  RetryStrategy,
} from 'aws-cdk-lib/aws-batch';
import { type ContainerImage, LogDriver } from 'aws-cdk-lib/aws-ecs';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Environment, RecalibrationConfig } from '../config/environment.ts';
import { acknowledge, acknowledgePatterns } from '../constructs/acknowledge.ts';
import type { ArtifactBucket } from '../constructs/artifact-bucket.ts';
import { layoutOf } from '../constructs/bucket-layout.ts';
import { listingBelow, throughS3 } from '../constructs/function-role.ts';

export interface JobsProps {
  readonly environment: Environment;
  readonly config: RecalibrationConfig;
  readonly artifacts: ArtifactBucket;
  readonly image: ContainerImage;
}

/** Statuses that another attempt would not change: a failed gate, a known error, nothing to do, a bug. */
const FINAL_STATUSES = ['1', '2', '3', '70'];

/** The three jobs of recalibration, each with a role that can do its part and nothing else. */
export class Jobs extends Construct {
  readonly shard: EcsJobDefinition;
  readonly merge: EcsJobDefinition;
  readonly promote: EcsJobDefinition;
  readonly #props: JobsProps;
  readonly #log: LogGroup;

  constructor(scope: Construct, id: string, props: JobsProps) {
    super(scope, id);
    this.#props = props;
    const { environment, config } = props;
    this.#log = new LogGroup(this, 'Log', {
      retention: environment.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { detector, input, work } = layoutOf(environment.detector);
    const [inputs, partials, versions] = [`${input}*`, `${work}*`, `${detector}versions/*`];
    const [channels, pins] = [`${detector}channels/*`, `${detector}pins/*`];
    const candidate = `${detector}channels/candidate.json`;
    const served = `${detector}channels/${environment.channel}.json`;
    this.shard = this.#job('Shard', {
      variables: {
        HIMPLOS_ARGUMENTS: JSON.stringify(config.calibrate),
        HIMPLOS_SHARDS: String(config.shards),
      },
      lists: [input, work],
      reads: [inputs, partials],
      writes: [partials],
    });
    this.merge = this.#job('Merge', {
      variables: { HIMPLOS_ARGUMENTS: JSON.stringify(config.merge) },
      lists: [input, work, detector],
      reads: [inputs, partials, versions, channels, pins],
      writes: [versions, pins, candidate],
    });
    this.promote = this.#job('Promote', {
      variables: { HIMPLOS_CHANNEL: environment.channel, HIMPLOS_GATES: JSON.stringify(config.gates) },
      lists: [detector],
      reads: [versions, channels, pins],
      writes: [pins, served],
    });
  }

  #job(
    name: 'Shard' | 'Merge' | 'Promote',
    access: {
      readonly variables: Readonly<Record<string, string>>;
      readonly lists: readonly string[];
      readonly reads: readonly string[];
      readonly writes: readonly string[];
    },
  ): EcsJobDefinition {
    const { config } = this.#props;
    const container = this.#container(name, this.#role(`${name}Role`, access), access.variables);
    acknowledge(
      container.executionRole,
      'a token for the registry is given for all of it (ecr:GetAuthorizationToken)',
      'AwsSolutions-IAM5[Resource::*]',
    );
    return new EcsJobDefinition(this, name, {
      container,
      retryAttempts: 3,
      retryStrategies: [
        ...FINAL_STATUSES.map((status) =>
          RetryStrategy.of(Action.EXIT, Reason.custom({ onExitCode: status })),
        ),
        RetryStrategy.of(Action.RETRY, Reason.custom({ onReason: '*' })),
      ],
      timeout: Duration.hours(config.timeoutHours),
      propagateTags: true,
    });
  }

  #container(
    name: 'Shard' | 'Merge' | 'Promote',
    jobRole: Role,
    variables: Readonly<Record<string, string>>,
  ): IEcsContainerDefinition {
    const { environment, config, artifacts, image } = this.#props;
    const { bucketName } = artifacts.bucket;
    const { store, input } = layoutOf(environment.detector);
    const common = {
      image,
      jobRole,
      command: [name.toLowerCase()],
      logging: LogDriver.awsLogs({ streamPrefix: name.toLowerCase(), logGroup: this.#log }),
      environment: {
        HIMPLOS_STORE: `s3://${bucketName}/${store}`,
        HIMPLOS_DETECTOR: environment.detector,
        // Fargate would say it, ECS on machines of its own does not.
        AWS_REGION: Stack.of(this).region,
        HIMPLOS_INPUT: `s3://${bucketName}/${input.slice(0, -1)}`,
        ...variables,
      },
    };
    const { compute } = config;
    if (name === 'Shard' && compute.type === 'gpu') {
      return new EcsEc2ContainerDefinition(this, `${name}Container`, {
        ...common,
        cpu: compute.cpus,
        gpu: 1,
        memory: Size.gibibytes(compute.memoryGibibytes),
      });
    }
    const size =
      name === 'Shard' && compute.type === 'fargate'
        ? compute
        : {
            cpus: 4,
            memoryGibibytes: 16,
            diskGibibytes: compute.type === 'fargate' ? compute.diskGibibytes : 100,
          };
    return new EcsFargateContainerDefinition(this, `${name}Container`, {
      ...common,
      cpu: size.cpus,
      memory: Size.gibibytes(size.memoryGibibytes),
      ephemeralStorageSize: Size.gibibytes(size.diskGibibytes),
      assignPublicIp: true,
    });
  }

  /** Reads and writes patterns of keys, and lists below prefixes. */
  #role(
    id: string,
    { lists, reads, writes }: Readonly<Record<'lists' | 'reads' | 'writes', readonly string[]>>,
  ): Role {
    const { bucket, key } = this.#props.artifacts;
    const role = new Role(this, id, { assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com') });
    const arns = (patterns: readonly string[]) => patterns.map((pattern) => bucket.arnForObjects(pattern));
    role.addToPolicy(listingBelow(bucket, lists));
    role.addToPolicy(
      new PolicyStatement({ sid: 'ReadObjects', actions: ['s3:GetObject'], resources: arns(reads) }),
    );
    role.addToPolicy(
      new PolicyStatement({
        sid: 'WriteObjects',
        actions: ['s3:PutObject', 's3:AbortMultipartUpload'],
        resources: arns(writes),
      }),
    );
    role.addToPolicy(throughS3(this, key, true));
    const patterns = [...new Set([...reads, ...writes])].filter((pattern) => pattern.endsWith('*'));
    acknowledgePatterns(
      role,
      bucket,
      patterns,
      'the keys of one detector below one prefix: names of files, partials and versions are not known beforehand',
    );
    return role;
  }
}
