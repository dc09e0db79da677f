import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { ScoreAnswer } from '../../shared/protocol/answer.ts';
import { type LambdaHost, startLambda } from '../servers/lambda-runtime-api.ts';
import { unpack } from './unpacked.ts';

/** The built function, unpacked in a folder of its own. */
export interface UnpackedFunction {
  start(environment: Readonly<Record<string, string>>): Promise<LambdaHost>;
  remove(): void;
}

/** Builds and unpacks functions/embeddings. */
export async function unpackEmbeddings(): Promise<UnpackedFunction> {
  const { taskRoot, remove } = await unpack('embeddings');
  return {
    start: (environment) => startLambda({ taskRoot, handler: 'index.handler', environment }),
    remove,
  };
}

/** What an HTTP event came to. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: ScoreAnswer & { readonly error?: { readonly code: string; readonly message: string } };
}

/** Invokes with an HTTP event; throws when the function itself fails. */
export async function send(host: LambdaHost, event: unknown): Promise<HttpAnswer> {
  const { payload, functionError } = await host.invoke(event);
  if (functionError !== undefined) throw new Error(`${functionError}: ${JSON.stringify(payload)}`);
  const { statusCode, body } = payload as APIGatewayProxyStructuredResultV2;
  return { status: statusCode!, body: JSON.parse(body!) };
}
