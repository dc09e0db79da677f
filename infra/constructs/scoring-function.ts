import { Duration, Size } from 'aws-cdk-lib';
import { Alias, type IVersion, Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Environment, ImagesConfig, ScoringConfig } from '../config/environment.ts';
import { acknowledgePatterns } from './acknowledge.ts';
import type { ArtifactBucket } from './artifact-bucket.ts';
import { IMAGES, layoutOf } from './bucket-layout.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { functionRole } from './function-role.ts';
import { ARTIFACT_FILES, codeProps, functionLog, variables } from './lambda-code.ts';

export interface ScoringFunctionProps {
  readonly name: 'embeddings' | 'images';
  readonly zip: string;
  readonly config: ScoringConfig & Partial<Pick<ImagesConfig, 'diskMegabytes' | 'references'>>;
  readonly environment: Environment;
  readonly artifacts: ArtifactBucket;
}

/** Left of the function's time for its answer when the first load has used up the rest. */
const ANSWER_SECONDS = 2;

/** A function that scores over HTTP: reads its detector's channel and versions and nothing else, serves by an alias. */
export class ScoringFunction extends Construct {
  readonly alias: Alias;
  readonly deadLetters: IQueue;

  constructor(scope: Construct, id: string, props: ScoringFunctionProps) {
    super(scope, id);
    const { name, zip, config, environment, artifacts } = props;
    const { bucket, key } = artifacts;
    const { store, detector } = layoutOf(environment.detector);
    const logGroup = functionLog(this, environment.logRetentionDays);
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    const { reservedConcurrency, provisionedConcurrency, diskMegabytes, references = false } = config;
    const patterns = ARTIFACT_FILES[name].map((file) => `${detector}versions/*/${file}`);
    const images = references ? [`${IMAGES}*`] : [];
    const role = functionRole(this, 'Role', {
      logGroup,
      bucket,
      key,
      reads: [`${detector}channels/${environment.channel}.json`, ...patterns, ...images],
    });
    const handler = new LambdaFunction(this, 'Function', {
      ...codeProps(name, zip),
      description: `himplos: scores ${name} with ${environment.detector}`,
      role,
      logGroup,
      memorySize: config.memoryMegabytes,
      timeout: Duration.seconds(config.timeoutSeconds),
      deadLetterQueue: this.deadLetters,
      ...(diskMegabytes !== undefined && { ephemeralStorageSize: Size.mebibytes(diskMegabytes) }),
      ...(reservedConcurrency !== undefined && { reservedConcurrentExecutions: reservedConcurrency }),
      environment: {
        ...variables(environment, bucket.bucketName, store),
        ...(references && { HIMPLOS_IMAGES: `s3://${bucket.bucketName}/${IMAGES.slice(0, -1)}` }),
        HIMPLOS_LOAD_TIMEOUT_SECONDS: String(config.timeoutSeconds - ANSWER_SECONDS),
      },
    });
    this.alias = new Alias(this, 'Live', {
      aliasName: 'live',
      version: handler.currentVersion as IVersion,
      ...(provisionedConcurrency !== undefined && {
        provisionedConcurrentExecutions: provisionedConcurrency,
      }),
    });
    acknowledgePatterns(role, bucket, patterns);
    acknowledgePatterns(role, bucket, images, 'images that requests name, below one prefix');
  }
}
