import type { Context, SQSBatchItemFailure, SQSBatchResponse } from 'aws-lambda';
import { HimplosError } from '../../shared/errors.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import type { Observer } from '../http/service.ts';
import type { DetectorCache } from '../runtime/detector-cache.ts';
import type { Telemetry } from '../runtime/telemetry.ts';
import { isInboxKey } from './bulk-keys.ts';
import { type AppearedObject, type BulkMessage, readEvent } from './read-event.ts';
import { scoreObject } from './score-object.ts';

export interface BulkApplication {
  readonly cache: Pick<DetectorCache, 'acquire' | 'bindInvocation' | 'settle'>;
  readonly telemetry: Pick<Telemetry, keyof Observer | 'begin' | 'end' | 'note'>;
  readonly store: ObjectStore;
  /** Events of other buckets are ignored; undefined accepts any (a folder has no name). */
  readonly bucket: string | undefined;
  readonly falseDiscoveryRate: number;
  readonly maxOutputBytes: number;
}

/** Left to the function for reporting when scoring has used up the rest. */
const ANSWER_MS = 3000;

/**
 * Scores what S3 says has appeared. Of a batch from SQS, exactly the messages that are worth another attempt are
 * reported as failed; an invocation by S3 itself fails as a whole.
 */
export function createBulkHandler(application: BulkApplication) {
  const { cache, telemetry } = application;
  return async (event: unknown, context: Context): Promise<SQSBatchResponse | undefined> => {
    telemetry.begin(context.awsRequestId);
    cache.bindInvocation(() => context.getRemainingTimeInMillis());
    const left = Math.max(1, context.getRemainingTimeInMillis() - ANSWER_MS);
    const signal = AbortSignal.timeout(Math.floor(left));
    const failures: SQSBatchItemFailure[] = [];
    try {
      for (const message of readEvent(event)) {
        try {
          await scoreMessage(message, signal);
        } catch (error) {
          telemetry.failed(error, 503);
          if (message.messageId === undefined) throw error;
          failures.push({ itemIdentifier: message.messageId });
        }
      }
    } finally {
      await cache.settle();
      telemetry.end();
    }
    return { batchItemFailures: failures };
  };

  async function scoreMessage({ objects }: BulkMessage, signal: AbortSignal): Promise<void> {
    if (objects === undefined) {
      throw new HimplosError('bad-input', 'expected a notification by S3, got something else', {
        hint: 'see what else sends to the queue',
      });
    }
    for (const { bucket, key } of objects) await scoreOne({ bucket, key }, signal);
  }

  async function scoreOne({ bucket, key }: AppearedObject, signal: AbortSignal): Promise<void> {
    const { store, falseDiscoveryRate, maxOutputBytes } = application;
    const isOurs = application.bucket === undefined || application.bucket === bucket;
    const outcome =
      isOurs && isInboxKey(key)
        ? await scoreObject(key, await cache.acquire(), {
            store,
            observer: telemetry,
            falseDiscoveryRate,
            maxOutputBytes,
            signal,
          })
        : 'ignored';
    telemetry.note('object', { outcome, key: key.slice(0, 1024) });
  }
}
