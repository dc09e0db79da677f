import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { runTool, type Tool } from './run-tool.ts';

/** Exit statuses beside those of himplos: 0 done, 1 a gate failed, 2 a known error, 70 a bug. */
export const UNCHANGED = 3;
const KNOWN_ERROR = 2;

/** Channel that points to what the latest run published, whether or not its gates let it further. */
export const CANDIDATE = 'candidate';

export interface JobContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly s3: Pick<S3Client, 'send'>;
  readonly tool: Tool;
  /** An empty folder with room for the input. */
  readonly folder: string;
}

/** One job of recalibration; resolves to its exit status. Throws for an environment that is not complete. */
export async function runJob(kind: string | undefined, context: JobContext): Promise<number> {
  if (kind === 'shard') return shard(context);
  if (kind === 'merge') return merge(context);
  if (kind === 'promote') return promote(context);
  throw new Error(`expected shard, merge or promote, got ${kind}`);
}

/** Calibrates one part of the input: which, AWS Batch says by AWS_BATCH_JOB_ARRAY_INDEX. */
async function shard(context: JobContext): Promise<number> {
  const local = await fetchLocal(context);
  const shards = `auto/${required(context, 'HIMPLOS_SHARDS')}`;
  const partials = required(context, 'HIMPLOS_PARTIALS');
  const { status } = await context.tool(
    ['calibrate', ...argumentsOf(context), '--shard', shards, '--partials', partials],
    local,
  );
  return status;
}

/** Adds partials up, publishes what comes of it, and points the candidate channel to it. */
async function merge(context: JobContext): Promise<number> {
  const local = await fetchLocal(context);
  const out = join(context.folder, 'detector');
  const partials = required(context, 'HIMPLOS_PARTIALS');
  const merged = await context.tool(['merge', partials, '--out', out, ...argumentsOf(context)], local);
  if (merged.status !== 0) return merged.status;
  const published = await context.tool(['publish', out, '--json'], local);
  if (published.status !== 0) return published.status;
  const { version } = JSON.parse(published.output) as { version: string };
  if ((await channelVersion(context, CANDIDATE)) === version) return 0;
  // No gates here: they stand before the channel that is served.
  const note = ['--by', 'recalibration', '--reason', `run ${required(context, 'HIMPLOS_RUN')}`];
  return (await context.tool(['promote', version, '--channel', CANDIDATE, '--force', ...note], local)).status;
}

/** Measures the candidate against what is served, and promotes it if it passes the gates. */
async function promote(context: JobContext): Promise<number> {
  const channel = required(context, 'HIMPLOS_CHANNEL');
  const gates = join(context.folder, 'gates.json');
  await writeFile(gates, required(context, 'HIMPLOS_GATES'));
  const version = await channelVersion(context, CANDIDATE);
  if (version === undefined) throw new Error(`there is no channel ${CANDIDATE}: merge has not run`);
  if ((await channelVersion(context, channel)) === version) return UNCHANGED;
  const note = ['--by', 'recalibration', '--reason', `run ${required(context, 'HIMPLOS_RUN')}`];
  const { status } = await context.tool(
    ['promote', version, '--channel', channel, '--gates', gates, ...note],
    context.folder,
  );
  return status;
}

/** What a channel points to; undefined where there is none. */
async function channelVersion({ tool, folder }: JobContext, channel: string): Promise<string | undefined> {
  const { status, output } = await tool(['versions', '--json'], folder);
  if (status !== 0) throw new Error(`himplos versions failed with status ${status}`);
  const versions = JSON.parse(output) as readonly { version: string; channels: readonly string[] }[];
  return versions.find(({ channels }) => channels.includes(channel))?.version;
}

/**
 * Copies what lies below `<HIMPLOS_INPUT>/local/` (model, head, class names) into a folder, where the tool's arguments
 * find it by name. Data stay where they are.
 */
async function fetchLocal({ environment, s3, folder }: JobContext): Promise<string> {
  const address = required({ environment }, 'HIMPLOS_INPUT');
  const [, Bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/(.*[^/])$/.exec(address) ?? [];
  if (Bucket === '') throw new Error(`HIMPLOS_INPUT: expected s3://bucket/prefix, got ${address}`);
  const Prefix = `${prefix}/local/`;
  const target = join(folder, 'local');
  await mkdir(target);
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({
        ...{ Bucket, Prefix },
        // XML cannot hold every character a key may have.
        EncodingType: 'url',
        ...(ContinuationToken && { ContinuationToken }),
      }),
    );
    for (const { Key: listed = '' } of page.Contents ?? []) {
      const Key = decodeURIComponent(listed.replaceAll('+', ' '));
      if (Key.endsWith('/')) continue;
      const path = join(target, safeName(Key.slice(Prefix.length)));
      await mkdir(dirname(path), { recursive: true });
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
      await pipeline(Body as NodeJS.ReadableStream, createWriteStream(path, { flags: 'wx' }));
    }
    ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (ContinuationToken !== undefined);
  return target;
}

/** A key as a path that stays in its folder. */
function safeName(key: string): string {
  const isPlain = key
    .split('/')
    .every((part) => part !== '' && !part.startsWith('.') && !/[\\\0]/.test(part));
  if (isPlain) return key;
  throw new Error(`${JSON.stringify(key)}: expected plain names between slashes, none starting with a dot`);
}

/** The tool's arguments, with `{input}` for where the data are. */
function argumentsOf(context: JobContext): readonly string[] {
  const given = JSON.parse(required(context, 'HIMPLOS_ARGUMENTS')) as string[];
  return given.map((text) => text.replaceAll('{input}', required(context, 'HIMPLOS_INPUT')));
}

function required({ environment }: Pick<JobContext, 'environment'>, name: string): string {
  const value = environment[name];
  if (value) return value;
  throw new Error(`environment variable ${name}: expected a value, got none`);
}

if (import.meta.main) {
  try {
    process.exitCode = await runJob(process.argv[2], {
      environment: process.env,
      s3: new S3Client(),
      tool: runTool,
      folder: await mkdtemp(join(tmpdir(), 'job-')),
    });
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n`);
    // An error of S3 may pass: another attempt is worth its while (jobs.ts). What is wrong here stays wrong.
    process.exitCode = '$metadata' in (error as object) ? 75 : KNOWN_ERROR;
  }
}
