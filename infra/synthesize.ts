import { App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { type BuildOutputs, findBuildOutputs } from './config/build-outputs.ts';
import { type Environment, readEnvironment } from './config/environment.ts';
import { HimplosStack } from './himplos-stack.ts';

export interface SynthesisOptions {
  /** Name of the environment: part of the stack's name. */
  readonly label: string;
  /** As an environment file exports it; checked here. */
  readonly value: unknown;
  readonly now: Date;
  /** Folder for the cloud assembly; without it, what the CDK command line says, or a temporary one. */
  readonly outdir?: string;
  /** Without it, those in dist/ are looked for. */
  readonly outputs?: (environment: Environment) => BuildOutputs;
}

/** Behaviour of the CDK that is off unless asked for. */
const FLAGS = {
  // By a bucket policy instead of ACLs, which are off.
  '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy': true,
  '@aws-cdk/aws-iam:minimizePolicies': true,
  '@aws-cdk/core:checkSecretUsage': true,
  '@aws-cdk/core:enablePartitionLiterals': true,
  '@aws-cdk/core:target-partitions': ['aws'],
  '@aws-cdk/aws-lambda:recognizeVersionProps': true,
  '@aws-cdk/aws-lambda:recognizeLayerVersion': true,
};

/** The app of one environment, under cdk-nag's AwsSolutions rules. Throws ConfigError. */
export function makeApp({ label, value, now, outdir, outputs = findBuildOutputs }: SynthesisOptions): {
  readonly app: App;
  readonly stack: HimplosStack;
} {
  const environment = readEnvironment(label, value, now);
  const app = new App({ analyticsReporting: false, context: FLAGS, ...(outdir !== undefined && { outdir }) });
  const { region, account } = environment;
  const stack = new HimplosStack(app, `himplos-${label}`, {
    description: `himplos: serves the detector ${environment.detector}`,
    env: { region, ...(account !== undefined && { account }) },
    environment,
    outputs: outputs(environment),
  });
  Tags.of(app).add('himplos:detector', environment.detector);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { verbose: false }));
  return { app, stack };
}
