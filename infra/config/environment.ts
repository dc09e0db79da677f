import { RegionInfo } from 'aws-cdk-lib/region-info';
import * as z from 'zod';
import { scheduleFault } from './schedule-expression.ts';

/** Names of functions, as functions/build calls their zips. */
export const FUNCTION_NAMES = ['embeddings', 'images', 'bulk'] as const;
export type FunctionName = (typeof FUNCTION_NAMES)[number];

/** As shared/store/keys.ts allows it. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'expected 1 to 100 letters, digits, ., _ and -');

const whole = (low: number, high: number) => z.int().min(low).max(high);

/** How a client is let in. A Function URL knows no throttling: its reserved concurrency is the bound. */
const access = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('function-url') }),
  z.strictObject({
    type: z.literal('http-api'),
    /** IAM: signed requests. JWT: bearer tokens of an OpenID Connect issuer. */
    authorization: z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('iam') }),
      z.strictObject({
        type: z.literal('jwt'),
        issuer: z.url({ protocol: /^https$/ }),
        audience: z.array(z.string().min(1)).min(1),
      }),
    ]),
    requestsPerSecond: whole(1, 10_000),
    burst: whole(1, 5000),
  }),
]);

const compute = {
  memoryMegabytes: whole(128, 10_240),
  timeoutSeconds: whole(3, 900),
  /** At most so many containers; without it, what the account has left. */
  reservedConcurrency: whole(1, 1000).optional(),
};

const serving = {
  ...compute,
  /** An HTTP API gives up after 30 s. */
  timeoutSeconds: whole(3, 30),
  /** Containers that are kept warm. */
  provisionedConcurrency: whole(1, 1000).optional(),
  access,
};
const isWarmWithinBounds = (config: {
  readonly provisionedConcurrency?: number | undefined;
  readonly reservedConcurrency?: number | undefined;
}) => (config.provisionedConcurrency ?? 0) <= (config.reservedConcurrency ?? 1000);
const TOO_WARM = { path: ['provisionedConcurrency'], error: 'expected at most reservedConcurrency' };

const scoring = z.strictObject(serving).refine(isWarmWithinBounds, TOO_WARM);

const images = z
  .strictObject({
    ...serving,
    /** Holds the model between starts in one container. */
    diskMegabytes: whole(512, 10_240).default(1024),
    /** Whether requests may name images below `images/` in the bucket. */
    references: z.boolean().default(false),
  })
  .refine(isWarmWithinBounds, TOO_WARM);

const bulk = z.strictObject({
  ...compute,
  /** Files at once; a queue's messages are handed to two functions at least. */
  reservedConcurrency: whole(2, 1000).optional(),
  /** Half for a file's scores before they are uploaded, half for the model. */
  diskMegabytes: whole(512, 10_240).default(2048),
  /** q of Benjamini and Hochberg, for the summary. */
  falseDiscoveryRate: z.number().gt(0).lt(1).default(0.05),
});

const alarms = z.strictObject({
  /** Where alarms and notices of recalibration go. */
  email: z.email().optional(),
  /** Answers 5xx and crashes in five minutes. */
  errors: whole(1, 1_000_000).default(5),
  p99Milliseconds: whole(1, 900_000).default(500),
  /** Mean share of refused samples in an hour, in percent. The share to expect is 100 · (1 − tpr). */
  oodSharePercent: z.number().gt(0).lt(100).default(20),
  /** Seconds since the store confirmed the served version. */
  artifactAgeSeconds: whole(60, 7 * 86_400).default(3600),
  /** Failed looks at the store in five minutes. */
  refreshFailures: whole(1, 1_000_000).default(3),
});

const share = z.number().min(0).max(1);

/** As calibrate/versions/gate-limits.ts reads it; what is left out has its default. */
const gates = z.strictObject({
  maxAccuracyDrop: share.optional(),
  maxAurocDrop: share.optional(),
  maxAurocDropOn: z.record(z.string(), share).optional(),
  coverageProbability: z.number().gt(0).lt(1).optional(),
  maxChangedDecisions: share.optional(),
  knownHeads: z.array(z.string().regex(/^[0-9a-f]{64}$/)).optional(),
});

/** Fargate's pairs: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html */
const FARGATE_GIBIBYTES: Readonly<Record<number, readonly [number, number, number]>> = {
  1: [2, 8, 1],
  2: [4, 16, 1],
  4: [8, 30, 1],
  8: [16, 60, 4],
  16: [32, 120, 8],
};

const shardCompute = z.discriminatedUnion('type', [
  z
    .strictObject({
      type: z.literal('fargate'),
      cpus: z.literal([1, 2, 4, 8, 16]),
      memoryGibibytes: whole(2, 120),
      diskGibibytes: whole(21, 200),
      spot: z.boolean().default(true),
    })
    .refine(
      ({ cpus, memoryGibibytes }) => {
        const [low, high, step] = FARGATE_GIBIBYTES[cpus]!;
        return memoryGibibytes >= low && memoryGibibytes <= high && memoryGibibytes % step === 0;
      },
      {
        path: ['memoryGibibytes'],
        error: ({ input }) =>
          `Fargate does not pair it with ${(input as { cpus: number }).cpus} CPUs: expected one of its sizes`,
      },
    ),
  z.strictObject({
    type: z.literal('gpu'),
    instanceClass: z.literal(['g4dn', 'g5', 'g6']),
    /** What one shard takes of an instance, beside one GPU. */
    cpus: whole(1, 192),
    memoryGibibytes: whole(2, 768),
    maxInstanceCpus: whole(4, 4096),
    spot: z.boolean().default(true),
  }),
]);

const recalibration = (now: Date) =>
  z
    .strictObject({
      schedule: z.string(),
      timeZone: z.string().refine(isTimeZone, 'expected a time zone such as Europe/Berlin').default('UTC'),
      isEnabled: z.boolean().default(true),
      /** Size of the array job of each phase; AWS Batch takes 2 to 10,000. */
      shards: whole(2, 10_000),
      /** Passes over the training data that the method takes: HIMPLoS one, ViM two. */
      phases: whole(1, 8).default(1),
      compute: shardCompute,
      /** `build` makes it from infra/container; otherwise one of the account's own registry. */
      image: z
        .union([
          z.literal('build'),
          z.strictObject({
            repository: z.string().regex(/^[a-z0-9][a-z0-9._/-]{1,255}$/),
            digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
          }),
        ])
        .default('build'),
      /**
       * What `himplos calibrate` is given. `{input}` stands for `s3://bucket/input/<detector>`, where the data are; plain
       * names are files below its `local/`, which every job copies first.
       */
      calibrate: z.array(z.string().min(1).max(500)).min(1).max(100),
      /** What `himplos merge` is given, beside the partials: the model or head that the shards had. */
      merge: z.array(z.string().min(1).max(500)).max(100).default([]),
      gates: gates.default({}),
      timeoutHours: whole(1, 24).default(6),
    })
    .superRefine(({ schedule, timeZone }, context) => {
      const fault = scheduleFault(schedule, wallClock(now, timeZone));
      if (fault !== undefined) context.addIssue({ code: 'custom', path: ['schedule'], message: fault });
    });

const environment = (now: Date) =>
  z
    .strictObject({
      /** Without it, the account of whoever deploys. */
      account: z
        .string()
        .regex(/^\d{12}$/, 'expected 12 digits')
        .optional(),
      region: z.string().refine(isRegion, 'expected the name of an AWS region such as eu-central-1'),
      detector: name,
      channel: name.default('production'),
      /** What happens to the bucket and its key when the stack is deleted. */
      artifacts: z.enum(['retain', 'destroy']).default('retain'),
      logRetentionDays: z.literal([1, 3, 5, 7, 14, 30, 60, 90, 180, 365]).default(30),
      refreshSeconds: whole(1, 86_400).default(60),
      maxStaleSeconds: whole(60, 30 * 86_400).default(86_400),
      functions: z
        .strictObject({
          embeddings: scoring.optional(),
          images: images.optional(),
          bulk: bulk.optional(),
        })
        .refine((functions) => Object.keys(functions).length > 0, 'expected at least one function'),
      alarms: alarms.prefault({}),
      recalibration: recalibration(now).optional(),
    })
    .refine(({ recalibration, channel }) => recalibration === undefined || channel !== 'candidate', {
      path: ['channel'],
      error: 'recalibration keeps its own results in the channel candidate: expected another name',
    });

type Schema = ReturnType<typeof environment>;
/** What infra/environments/NAME.ts holds. */
export type EnvironmentInput = z.input<Schema>;
/** An environment with every default filled in. */
export type Environment = z.output<Schema>;
export type ScoringConfig = z.output<typeof scoring>;
export type ImagesConfig = z.output<typeof images>;
export type BulkConfig = NonNullable<Environment['functions']['bulk']>;
export type AlarmsConfig = z.output<typeof alarms>;
export type RecalibrationConfig = NonNullable<Environment['recalibration']>;

/** An environment that cannot be deployed; the message names every field that is wrong. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Checks an environment and fills in its defaults.
 * @param now schedules must fire after it
 * Throws {@link ConfigError}.
 */
export function readEnvironment(label: string, value: unknown, now: Date): Environment {
  const parsed = environment(now).safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => {
    const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys.join(', ')] : issue.path;
    return `  ${path.join('.') || '(the whole)'}: ${describe(issue)}`;
  });
  throw new ConfigError(`environment ${label} cannot be deployed:\n${faults.join('\n')}`);
}

function describe(issue: z.core.$ZodIssue): string {
  return issue.code === 'unrecognized_keys' ? 'there is no such field' : issue.message;
}

function isRegion(text: string): boolean {
  return RegionInfo.regions.some(({ name }) => name === text);
}

/** What a clock in a time zone shows, in the UTC fields of a date; `now` where there is no such zone. */
function wallClock(now: Date, timeZone: string): Date {
  if (!isTimeZone(timeZone)) return now;
  const shown = new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  return new Date(`${shown.format(now).replace(' ', 'T')}Z`);
}

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
