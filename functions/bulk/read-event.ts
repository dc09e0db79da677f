/** An object that appeared. */
export interface AppearedObject {
  readonly bucket: string;
  readonly key: string;
}

/** Objects that one message tells of. */
export interface BulkMessage {
  /** Of SQS; undefined when S3 invoked the function itself. */
  readonly messageId: string | undefined;
  /** Undefined for a message that nobody understands. */
  readonly objects: readonly AppearedObject[] | undefined;
}

/**
 * The messages of an event: SQS records that hold S3 notifications, or such a notification itself
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html). S3's test messages tell
 * of no objects.
 */
export function readEvent(event: unknown): readonly BulkMessage[] {
  const records = listOf(event, 'Records');
  const isQueue = records?.some((record) => textOf(record, 'eventSource') === 'aws:sqs') ?? false;
  if (!isQueue) return [{ messageId: undefined, objects: readNotification(event) }];
  return records!.map((record) => ({
    messageId: textOf(record, 'messageId'),
    objects: readNotification(parse(textOf(record, 'body'))),
  }));
}

function readNotification(value: unknown): readonly AppearedObject[] | undefined {
  if (textOf(value, 'Event') === 's3:TestEvent') return [];
  const records = listOf(value, 'Records');
  if (records === undefined) return undefined;
  const objects: AppearedObject[] = [];
  for (const record of records) {
    // Only what is new has something to score.
    if (!textOf(record, 'eventName')?.startsWith('ObjectCreated:')) continue;
    const s3 = fieldOf(record, 's3');
    const bucket = textOf(fieldOf(s3, 'bucket'), 'name');
    const key = decodeKey(textOf(fieldOf(s3, 'object'), 'key'));
    if (bucket === undefined || key === undefined) return undefined;
    objects.push({ bucket, key });
  }
  return objects;
}

/** Keys come as in a form: percent-encoded, with + for spaces. */
function decodeKey(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

function textOf(value: unknown, key: string): string | undefined {
  const field = fieldOf(value, key);
  return typeof field === 'string' ? field : undefined;
}

function listOf(value: unknown, key: string): readonly unknown[] | undefined {
  const field = fieldOf(value, key);
  return Array.isArray(field) ? field : undefined;
}
