import { HimplosError } from '../../shared/errors.ts';

/** What a function is told by its environment. */
export interface Configuration {
  /** `s3://bucket/prefix`, or a folder. */
  readonly store: string;
  readonly detector: string;
  readonly channel: string;
  /** Another S3 server than AWS. */
  readonly s3Endpoint: string | undefined;
  /** How long a channel's state is trusted before it is asked for again. */
  readonly refreshMs: number;
  /** How long the last known good version serves while the store fails. */
  readonly maxStaleMs: number;
  /** Bound on loading a version, below the function's own timeout. */
  readonly loadTimeoutMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads HIMPLOS_… variables. Throws `bad-usage` naming the variable that is missing or wrong. */
export function readConfiguration(environment: Environment): Configuration {
  return {
    store: required(environment, 'HIMPLOS_STORE'),
    detector: required(environment, 'HIMPLOS_DETECTOR'),
    channel: environment.HIMPLOS_CHANNEL ?? 'production',
    s3Endpoint: environment.HIMPLOS_S3_ENDPOINT,
    refreshMs: 1000 * seconds(environment, 'HIMPLOS_REFRESH_SECONDS', 60),
    maxStaleMs: 1000 * seconds(environment, 'HIMPLOS_MAX_STALE_SECONDS', 24 * 3600),
    loadTimeoutMs: 1000 * seconds(environment, 'HIMPLOS_LOAD_TIMEOUT_SECONDS', 8),
  };
}

function required(environment: Environment, name: string): string {
  const value = environment[name];
  if (value !== undefined && value !== '') return value;
  throw new HimplosError('bad-usage', `environment variable ${name}: expected a value, got none`, {
    hint: 'the function needs to know which detector to serve, and from where',
  });
}

function seconds(environment: Environment, name: string, fallback: number): number {
  const text = environment[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 366 * 24 * 3600) return value;
  throw new HimplosError(
    'bad-usage',
    `environment variable ${name}: expected seconds from 0 to a year, got ${JSON.stringify(text.slice(0, 40))}`,
    { hint: `leave it out for ${fallback} s` },
  );
}
