import { HimplosError } from '../../shared/errors.ts';

/** Which part of the work this is. */
export interface Shard {
  /** From 0. */
  readonly index: number;
  /** How many shards there are. */
  readonly count: number;
}

/** More shards than that are more objects than a merge should list, and more than there are blocks to share. */
export const MAX_SHARDS = 10_000;

/** Where array jobs say which of them a process is: AWS Batch, Slurm, Kubernetes (indexed jobs). All count from 0. */
const INDEX_VARIABLES = ['AWS_BATCH_JOB_ARRAY_INDEX', 'SLURM_ARRAY_TASK_ID', 'JOB_COMPLETION_INDEX'] as const;

/**
 * Reads `INDEX/COUNT`, the index counted from 0, or `auto/COUNT` for the index that an array job gives its processes.
 * Throws `bad-usage`.
 */
export function parseShard(text: string, env: Readonly<Record<string, string | undefined>>): Shard {
  const [, given, total] = /^(auto|\d{1,9})\/(\d{1,9})$/.exec(text) ?? [];
  const count = Number(total);
  if (given === undefined || count < 1 || count > MAX_SHARDS) {
    throw new HimplosError(
      'bad-usage',
      `--shard: expected INDEX/COUNT or auto/COUNT with a count from 1 to ${MAX_SHARDS}, got ${JSON.stringify(text.slice(0, 40))}`,
      { hint: 'the first of four shards is --shard 0/4; in an array job write --shard auto/4' },
    );
  }
  const { index, from } = given === 'auto' ? findIndex(env) : { index: Number(given), from: '--shard' };
  if (index < count) return { index, count };
  throw new HimplosError(
    'bad-usage',
    `${from}: expected an index from 0 to ${count - 1}, for ${count} shards, got ${index}`,
    { hint: `shards are counted from 0; in Slurm submit with --array=0-${count - 1}` },
  );
}

function findIndex(env: Readonly<Record<string, string | undefined>>): { index: number; from: string } {
  const found = INDEX_VARIABLES.filter((name) => (env[name] ?? '') !== '');
  const [name] = found;
  if (name === undefined) {
    throw new HimplosError(
      'bad-usage',
      `--shard auto: expected an array job’s index in ${INDEX_VARIABLES.join(', ')}, got none`,
      {
        hint: 'submit it as an array job, or write the index: --shard 0/4',
      },
    );
  }
  if (new Set(found.map((variable) => env[variable])).size > 1) {
    const values = found.map((variable) => `${variable}=${env[variable]}`).join(', ');
    throw new HimplosError('bad-usage', `--shard auto: the environment has several indices: ${values}`, {
      hint: 'write the index: --shard 0/4',
    });
  }
  const text = env[name]!;
  if (/^\d{1,9}$/.test(text)) return { index: Number(text), from: name };
  throw new HimplosError(
    'bad-usage',
    `${name}: expected a whole number, got ${JSON.stringify(text.slice(0, 40))}`,
    {
      hint: 'write the index: --shard 0/4',
    },
  );
}
