import { Duration, Size, Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Alias, type IVersion, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { CfnBucket } from 'aws-cdk-lib/aws-s3';
import { type IQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { BulkConfig, Environment } from '../config/environment.ts';
import { acknowledgePatterns } from './acknowledge.ts';
import type { ArtifactBucket } from './artifact-bucket.ts';
import { INBOX, layoutOf, SCORES } from './bucket-layout.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { functionRole } from './function-role.ts';
import { ARTIFACT_FILES, codeProps, functionLog, variables } from './lambda-code.ts';

export interface BulkFunctionProps {
  readonly zip: string;
  readonly config: BulkConfig;
  readonly environment: Environment;
  readonly artifacts: ArtifactBucket;
}

/**
 * Scores whole files: what appears below the inbox goes through a queue to the function, which writes below another
 * prefix. The filter of the notification and the role both hold it to that, so that no output can start it again.
 */
export class BulkFunction extends Construct {
  readonly alias: Alias;
  /** Files that could not be scored in three attempts. */
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, { zip, config, environment, artifacts }: BulkFunctionProps) {
    super(scope, id);
    const { bucket, key } = artifacts;
    const { store, detector } = layoutOf(environment.detector);
    const logGroup = functionLog(this, environment.logRetentionDays);
    const patterns = ARTIFACT_FILES.bulk.map((file) => `${detector}versions/*/${file}`);
    const role = functionRole(this, 'Role', {
      logGroup,
      bucket,
      key,
      reads: [`${detector}channels/${environment.channel}.json`, ...patterns, `${INBOX}*`],
      writes: [`${SCORES}*`],
      // A file or an image of a listing that is gone is no reason to try again.
      lists: [INBOX],
    });
    const { reservedConcurrency, timeoutSeconds } = config;
    const handler = new LambdaFunction(this, 'Function', {
      ...codeProps('bulk', zip),
      description: `himplos: scores files with ${environment.detector}`,
      role,
      logGroup,
      memorySize: config.memoryMegabytes,
      timeout: Duration.seconds(timeoutSeconds),
      ...(reservedConcurrency !== undefined && { reservedConcurrentExecutions: reservedConcurrency }),
      ephemeralStorageSize: Size.mebibytes(config.diskMegabytes),
      environment: {
        ...variables(environment, bucket.bucketName, store),
        HIMPLOS_LOAD_TIMEOUT_SECONDS: String(Math.min(60, timeoutSeconds - 2)),
        HIMPLOS_MAX_OUTPUT_MEGABYTES: String(Math.floor(config.diskMegabytes / 2)),
        HIMPLOS_FDR: String(config.falseDiscoveryRate),
      },
    });
    this.alias = new Alias(this, 'Live', {
      aliasName: 'live',
      version: handler.currentVersion as IVersion,
    });
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    const queue = this.#queue(artifacts, timeoutSeconds);
    this.alias.addEventSource(
      new SqsEventSource(queue, {
        batchSize: 1,
        reportBatchItemFailures: true,
        // A message that meets a throttled function would count as an attempt.
        ...(reservedConcurrency !== undefined && { maxConcurrency: reservedConcurrency }),
      }),
    );
    acknowledgePatterns(role, bucket, patterns);
    acknowledgePatterns(role, bucket, [`${INBOX}*`, `${SCORES}*`], 'files are named by those who send them');
  }

  /** A queue that the bucket tells of new objects below the inbox. */
  #queue({ bucket }: ArtifactBucket, timeoutSeconds: number): IQueue {
    const queue = new Queue(this, 'Queue', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // AWS asks for six times the function's timeout.
      visibilityTimeout: Duration.seconds(6 * timeoutSeconds),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: 3 },
    });
    const told = queue.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('s3.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [queue.queueArn],
        // Not by the bucket's name, which is not known before the bucket is made with this queue in it.
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    );
    const resource = bucket.node.defaultChild as CfnBucket;
    resource.notificationConfiguration = {
      queueConfigurations: [
        {
          event: 's3:ObjectCreated:*',
          queue: queue.queueArn,
          filter: { s3Key: { rules: [{ name: 'prefix', value: INBOX }] } },
        },
      ],
    };
    // S3 tests the queue when it is told of it.
    if (told.policyDependable !== undefined) resource.node.addDependency(told.policyDependable);
    return queue;
  }
}
