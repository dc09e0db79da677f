import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../calibrate/program.ts';
import { CANDIDATE, type JobContext, runJob, UNCHANGED } from '../../infra/container/job.ts';
import { newFolder } from '../calibrate/run-command.ts';

const VERSION = 'a'.repeat(64);
const OLD_VERSION = 'b'.repeat(64);

describe('jobs of recalibration', () => {
  let folder: string;
  /** What himplos was asked for: arguments, and the folder it ran in. */
  let calls: { args: readonly string[]; folder: string }[];
  let channels: Record<string, string>;
  let objects: Record<string, string>;

  beforeEach(async () => {
    folder = newFolder();
    calls = [];
    channels = {};
    objects = {
      'input/flowers/local/model.onnx': 'a model',
      'input/flowers/local/names/en.txt': 'rose',
      'input/flowers/train.tar': 'pictures',
    };
  });

  /** A store that remembers channels, and fails the commands that it is told to. */
  function context(fail: Readonly<Record<string, number>> = {}): JobContext {
    return {
      environment: {
        HIMPLOS_INPUT: 's3://bucket/input/flowers',
        HIMPLOS_PARTIALS: 's3://bucket/work/flowers/night-1',
        HIMPLOS_RUN: 'night-1',
        HIMPLOS_SHARDS: '4',
        HIMPLOS_ARGUMENTS: '["--model","model.onnx"]',
        HIMPLOS_CHANNEL: 'production',
        HIMPLOS_GATES: '{"maxAccuracyDrop":0.02}',
      },
      folder,
      tool: async (args, where) => {
        calls.push({ args, folder: where });
        const [command = ''] = args;
        const status = fail[command] ?? 0;
        if (status !== 0) return { status, output: '' };
        if (command === 'publish') return { status, output: JSON.stringify({ version: VERSION }) };
        if (command === 'promote') channels[args[args.indexOf('--channel') + 1]!] = args[1]!;
        if (command !== 'versions') return { status, output: '' };
        const versions = [OLD_VERSION, VERSION].map((version) => ({
          version,
          channels: Object.keys(channels).filter((channel) => channels[channel] === version),
        }));
        return { status, output: JSON.stringify(versions) };
      },
      s3: { send: sendFrom(() => objects) } as unknown as JobContext['s3'],
    };
  }

  it('calibrates its part, with files by name and data where they are', async () => {
    const base = context();
    const given = '["--model","model.onnx","--train","{input}/train.tar","--ood","a={input}/a.tar"]';
    const environment = { ...base.environment, HIMPLOS_ARGUMENTS: given };
    expect(await runJob('shard', { ...base, environment })).toBe(0);
    const [call] = calls;
    expect(call?.args).toEqual([
      ...['calibrate', '--model', 'model.onnx', '--train', 's3://bucket/input/flowers/train.tar'],
      ...['--ood', 'a=s3://bucket/input/flowers/a.tar', '--shard', 'auto/4'],
      ...['--partials', 's3://bucket/work/flowers/night-1'],
    ]);
    expect(await readFile(join(call!.folder, 'model.onnx'), 'utf8')).toBe('a model');
    expect(await readFile(join(call!.folder, 'names/en.txt'), 'utf8')).toBe('rose');
    expect(await readdir(call!.folder)).toEqual(['model.onnx', 'names']);
  });

  it('merges, publishes, and points the candidate channel to what came of it', async () => {
    expect(await runJob('merge', context())).toBe(0);
    expect(calls.map(({ args }) => args[0])).toEqual(['merge', 'publish', 'versions', 'promote']);
    expect(channels).toEqual({ [CANDIDATE]: VERSION });
  });

  it('leaves the candidate channel alone when it points there already', async () => {
    channels = { [CANDIDATE]: VERSION };
    expect(await runJob('merge', context())).toBe(0);
    expect(calls.map(({ args }) => args[0])).toEqual(['merge', 'publish', 'versions']);
  });

  it('publishes nothing when merge refuses', async () => {
    expect(await runJob('merge', context({ merge: 2 }))).toBe(2);
    expect(calls.map(({ args }) => args[0])).toEqual(['merge']);
    expect(channels).toEqual({});
  });

  it('promotes the candidate through the gates', async () => {
    channels = { [CANDIDATE]: VERSION, production: OLD_VERSION };
    expect(await runJob('promote', context())).toBe(0);
    expect(channels).toEqual({ [CANDIDATE]: VERSION, production: VERSION });
    const { args } = calls.at(-1)!;
    expect(args).not.toContain('--force');
    expect(JSON.parse(await readFile(args[args.indexOf('--gates') + 1]!, 'utf8'))).toEqual({
      maxAccuracyDrop: 0.02,
    });
  });

  it('says that a gate failed', async () => {
    channels = { [CANDIDATE]: VERSION, production: OLD_VERSION };
    expect(await runJob('promote', context({ promote: 1 }))).toBe(1);
  });

  it('says that nothing has changed when the candidate is served already', async () => {
    channels = { [CANDIDATE]: VERSION, production: VERSION };
    expect(await runJob('promote', context())).toBe(UNCHANGED);
    expect(calls.every(({ args }) => args[0] === 'versions')).toBe(true);
  });

  it.each(['../x', '.ssh/x', '/x', 'a\\b'])('writes no %j anywhere', async (key) => {
    objects = { [`input/flowers/local/${key}`]: 'bad' };
    await expect(runJob('shard', context())).rejects.toThrow(/plain names/);
    expect(calls).toEqual([]);
  });

  it('refuses another kind of job, and an environment that is not complete', async () => {
    await expect(runJob('other', context())).rejects.toThrow(/expected shard/);
    const incomplete = { ...context(), environment: {} };
    await expect(runJob('shard', incomplete)).rejects.toThrow(/HIMPLOS_INPUT/);
  });

  it('asks himplos for nothing that it does not know', async () => {
    channels = { production: OLD_VERSION };
    for (const kind of ['shard', 'merge', 'promote']) {
      folder = newFolder();
      await runJob(kind, context());
    }
    expect(calls.length).toBeGreaterThan(5);
    for (const { args } of calls) {
      const help = await helpOf(args[0]!);
      for (const option of args.filter((arg) => arg.startsWith('--'))) {
        expect(help, `${args[0]} ${option}`).toMatch(new RegExp(`^ +(-\\w, )?${option}\\b`, 'm'));
      }
    }
  });
});

/** What `himplos COMMAND --help` prints. */
async function helpOf(command: string): Promise<string> {
  let text = '';
  const output = { write: (part: string) => (text += part) };
  const io = { stdout: output, stderr: output, env: {}, signal: new AbortController().signal };
  expect(await run([command, '--help'], io)).toBe(0);
  return text;
}

/** Answers of S3 for a bucket's content, one key a page. */
function sendFrom(objects: () => Readonly<Record<string, string>>) {
  return async (command: unknown): Promise<unknown> => {
    if (command instanceof GetObjectCommand) return { Body: Readable.from([objects()[command.input.Key!]!]) };
    if (!(command instanceof ListObjectsV2Command)) throw new Error('no such command here');
    const { Prefix = '', ContinuationToken = '0' } = command.input;
    const start = Number(ContinuationToken);
    const keys = Object.keys(objects()).filter((key) => key.startsWith(Prefix));
    return {
      Contents: keys.slice(start, start + 1).map((key) => ({ Key: encodeURIComponent(key) })),
      IsTruncated: start + 1 < keys.length,
      NextContinuationToken: String(start + 1),
    };
  };
}
