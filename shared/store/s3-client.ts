import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { HimplosError } from '../errors.ts';
import { PART_BYTES } from './body-parts.ts';
import { parseS3Address, type S3Address } from './s3-address.ts';
import { defaultRetries, type RetryPolicy } from './s3-retries.ts';

/** How to reach S3 or a server that speaks its protocol. Credentials come from the SDK's chain unless given. */
export interface S3Options {
  /** `https://host[:port]` of another server than AWS. Without it: HIMPLOS_S3_ENDPOINT, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. */
  readonly endpoint?: string;
  /** Without it: the environment's or profile's; `us-east-1` where there is an endpoint and nothing else says. */
  readonly region?: string;
  /** Bucket in the path instead of the host name. Without it: only where there is an endpoint. */
  readonly pathStyle?: boolean;
  /**
   * `when-supported` sends and checks a CRC-32 with every object; `when-required` is for servers that stumble over
   * those headers. Digests of the manifest are checked in either case.
   */
  readonly checksums?: 'when-supported' | 'when-required';
  /** Encrypt with KMS: a key's id, ARN or alias, or `aws/s3` for the account's default key. */
  readonly kmsKey?: string;
  /** How long a connection may be silent. */
  readonly timeoutMs?: number;
  readonly retries?: Partial<RetryPolicy>;
  /** Objects above this size are sent in parts of at least this size. S3 wants at least 5 MiB. */
  readonly partBytes?: number;
  readonly credentials?: NonNullable<S3ClientConfig['credentials']>;
}

/** An open connection to one place in one bucket. */
export interface S3Place extends S3Address {
  readonly client: S3Client;
  readonly retries: RetryPolicy;
  readonly withChecksums: boolean;
  readonly partBytes: number;
  /** Parameters of requests that create objects. */
  readonly encryption: { readonly ServerSideEncryption?: 'aws:kms'; readonly SSEKMSKeyId?: string };
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** Prepares a client; nothing is sent yet. Throws `bad-usage` for an address or endpoint that cannot be one. */
export function connectS3(address: string, options: S3Options = {}): S3Place {
  const place = parseS3Address(address);
  const { kmsKey, timeoutMs = DEFAULT_TIMEOUT_MS, credentials } = options;
  const endpoint = options.endpoint ?? endpointOfEnvironment();
  const withChecksums = options.checksums !== 'when-required';
  const mode = withChecksums ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED';
  const region = options.region ?? regionFor(endpoint);
  const client = new S3Client({
    ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint: checkEndpoint(endpoint) }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    requestChecksumCalculation: mode,
    responseChecksumValidation: mode,
    // Retries are ours (s3-retries.ts): one bound for all, and bodies that break off count too.
    maxAttempts: 1,
    // Large objects are preceded by a HEAD; waiting for 100-continue costs a connection and a round trip a part.
    expectContinueHeader: false,
    requestHandler: { connectionTimeout: Math.min(timeoutMs, 5000), socketTimeout: timeoutMs },
    // The SDK's own logger would print requests.
    logger: silent,
  });
  return {
    ...place,
    client,
    retries: { ...defaultRetries, ...options.retries },
    withChecksums,
    partBytes: options.partBytes ?? PART_BYTES,
    encryption:
      kmsKey === undefined
        ? {}
        : { ServerSideEncryption: 'aws:kms', ...(kmsKey === 'aws/s3' ? {} : { SSEKMSKeyId: kmsKey }) },
  };
}

/** The SDK would read the AWS variables too, but then put the bucket into the host name. */
function endpointOfEnvironment(): string | undefined {
  const { HIMPLOS_S3_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  return HIMPLOS_S3_ENDPOINT || AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL || undefined;
}

function checkEndpoint(endpoint: string): string {
  const url = URL.parse(endpoint);
  const isPlain =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (!isPlain) {
    throw new HimplosError(
      'bad-usage',
      'endpoint: expected https://host[:port], without credentials or query',
      {
        hint: 'credentials come from the environment',
      },
    );
  }
  return endpoint;
}

/** Servers of one's own rarely care about regions, but requests are signed with one. */
function regionFor(endpoint: string | undefined): string | undefined {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  return AWS_REGION ?? AWS_DEFAULT_REGION ?? (endpoint === undefined ? undefined : 'us-east-1');
}

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
