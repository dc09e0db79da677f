import { RemovalPolicy } from 'aws-cdk-lib';
import { Architecture, Code, type FunctionProps, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Environment, FunctionName } from '../config/environment.ts';

/** onnxruntime-node has crashed on arm64 in Lambda: what runs models stays on x86_64 until it is proven. */
const ARCHITECTURES: Readonly<Record<FunctionName, Architecture>> = {
  embeddings: Architecture.ARM_64,
  images: Architecture.X86_64,
  bulk: Architecture.X86_64,
};

/** Files of a version that each function reads. */
export const ARTIFACT_FILES: Readonly<Record<FunctionName, readonly string[]>> = {
  embeddings: ['detector.safetensors'],
  images: ['detector.safetensors', 'detector.onnx', 'manifest.json'],
  bulk: ['detector.safetensors', 'detector.onnx', 'manifest.json'],
};

/** What a built zip needs to run, as functions/build makes it. */
export function codeProps(
  name: FunctionName,
  zip: string,
): Pick<FunctionProps, 'runtime' | 'architecture' | 'handler' | 'code'> {
  return {
    runtime: Runtime.NODEJS_24_X,
    architecture: ARCHITECTURES[name],
    handler: 'index.handler',
    code: Code.fromAsset(zip),
  };
}

/** What every function is told by its environment; functions/runtime/configuration.ts reads it. */
export function variables(
  environment: Environment,
  bucketName: string,
  store: string,
): Readonly<Record<string, string>> {
  return {
    HIMPLOS_STORE: `s3://${bucketName}/${store}`,
    HIMPLOS_DETECTOR: environment.detector,
    HIMPLOS_CHANNEL: environment.channel,
    HIMPLOS_REFRESH_SECONDS: String(environment.refreshSeconds),
    HIMPLOS_MAX_STALE_SECONDS: String(environment.maxStaleSeconds),
    POWERTOOLS_LOG_LEVEL: 'INFO',
  };
}

/** A log that ends: names stay with CloudFormation, so that a stack can be created twice. */
export function functionLog(scope: Construct, retentionDays: number): LogGroup {
  return new LogGroup(scope, 'Log', { retention: retentionDays, removalPolicy: RemovalPolicy.DESTROY });
}
