import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { HimplosError } from '../../shared/errors.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { openStore } from '../../shared/store/open-store.ts';
import type { S3Options } from '../../shared/store/s3-client.ts';
import type { Io } from '../io.ts';
import { parseChoice } from '../options.ts';

/** Which store, and which detector in it, as typed. What is not typed comes from the environment of the functions. */
export interface StoreOptions {
  /** `HIMPLOS_STORE` */
  readonly store?: string;
  /** `HIMPLOS_DETECTOR` */
  readonly name?: string;
  /** `HIMPLOS_S3_ENDPOINT` */
  readonly endpoint?: string;
  readonly region?: string;
  readonly virtualHosts?: boolean;
  readonly checksums?: 'when-supported' | 'when-required';
  readonly kmsKey?: string;
}

/** Who changes a channel, and why. */
export interface NoteOptions {
  readonly by?: string;
  readonly reason?: string;
}

const CHECKSUMS = ['when-supported', 'when-required'] as const;

export function addStoreOptions(command: Command): Command {
  return command
    .option('--store <address>', 'folder or s3://bucket/prefix (default: $HIMPLOS_STORE)')
    .option('--name <detector>', 'name of the detector in the store (default: $HIMPLOS_DETECTOR)')
    .option('--endpoint <url>', 'another S3 server than AWS (default: $HIMPLOS_S3_ENDPOINT)')
    .option('--region <name>', 'AWS region (default: as the AWS command line finds it)')
    .option('--virtual-hosts', 'with --endpoint: put the bucket into the host name instead of the path')
    .option(
      '--checksums <mode>',
      `S3 checksums: ${CHECKSUMS.join(' or ')}`,
      parseChoice('--checksums', CHECKSUMS),
    )
    .option('--kms-key <id>', 'encrypt what is written to S3 with this KMS key, or aws/s3');
}

export function addNoteOptions(command: Command): Command {
  return command
    .option('--by <name>', 'who makes the change, for the channel’s history (default: the user’s name)')
    .option('--reason <text>', 'why, for the channel’s history');
}

/** Opens the store that was named. Throws `bad-usage` when none was, or its address cannot be one. */
export function openNamedStore(options: StoreOptions, { env }: Pick<Io, 'env'>): Promise<ObjectStore> {
  const address = options.store ?? env.HIMPLOS_STORE;
  if (!address) {
    throw new HimplosError('bad-usage', 'no store was named', {
      hint: 'give --store FOLDER or --store s3://bucket/prefix, or set HIMPLOS_STORE',
    });
  }
  return openStore(address, s3Options(options, { env }));
}

/** How to reach S3, from options and environment. */
export function s3Options(options: StoreOptions, { env }: Pick<Io, 'env'>): S3Options {
  const endpoint = options.endpoint ?? env.HIMPLOS_S3_ENDPOINT;
  const { region, checksums, kmsKey } = options;
  return {
    ...(endpoint ? { endpoint } : {}),
    ...(region === undefined ? {} : { region }),
    ...(checksums === undefined ? {} : { checksums }),
    ...(kmsKey === undefined ? {} : { kmsKey }),
    ...(options.virtualHosts === true ? { pathStyle: false } : {}),
  };
}

/** The detector that was named. Throws `bad-usage` when none was. */
export function requireDetectorName({ name }: StoreOptions, { env }: Pick<Io, 'env'>): string {
  const detector = name ?? env.HIMPLOS_DETECTOR;
  if (detector) return detector;
  throw new HimplosError('bad-usage', 'no detector was named', {
    hint: 'give --name DETECTOR, or set HIMPLOS_DETECTOR',
  });
}

/** What a channel's history keeps about a change. */
export function changeNote({ by, reason }: NoteOptions): {
  readonly id: string;
  readonly at: string;
  readonly by: string | null;
  readonly reason: string | null;
} {
  for (const [option, text] of Object.entries({ '--by': by, '--reason': reason })) {
    if (text === undefined || (text.length <= 1000 && !/\p{Cc}/u.test(text))) continue;
    throw new HimplosError('bad-usage', `${option}: expected at most 1000 printable characters`, {
      hint: 'name a ticket for the rest',
    });
  }
  return {
    id: crypto.randomUUID(),
    at: new Date().toISOString(),
    by: by ?? userName(),
    reason: reason ?? null,
  };
}

function userName(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null; // a container's user may have no name
  }
}
