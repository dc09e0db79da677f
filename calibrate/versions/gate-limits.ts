import * as z from 'zod/mini';
import { HimplosError } from '../../shared/errors.ts';
import { parseStrictJson } from '../../shared/formats/strict-json.ts';
import { readBoundedFile } from '../sources/read-file.ts';

/** What a version may do worse than the one before it, and still be promoted. Shares are fractions of 1. */
export interface GateLimits {
  readonly maxAccuracyDrop: number;
  /** For every OOD set that `maxAurocDropOn` does not name. */
  readonly maxAurocDrop: number;
  readonly maxAurocDropOn: Readonly<Record<string, number>>;
  /** The share of accepted ID rows must lie where it does with this probability if γ keeps its promise. */
  readonly coverageProbability: number;
  /** Share of evaluation rows, ID and OOD together, whose decision may differ. */
  readonly maxChangedDecisions: number;
  /** Fingerprints of classifier heads that may replace the one before (SHA-256; himplos inspect shows it). */
  readonly knownHeads: readonly string[];
}

/**
 * The limits without a file. On the CIFAR-10 benchmark a detector calibrated on half the data loses 0.04 points of AUROC
 * and changes 0.9 % of its decisions; prototypes of the wrong classes lose 7 to 13 points on three OOD sets of five, a
 * clip of 0.1 instead of 1.0 loses 9 to 31 points everywhere.
 */
export const defaultGateLimits: GateLimits = {
  maxAccuracyDrop: 0.01,
  maxAurocDrop: 0.01,
  maxAurocDropOn: {},
  coverageProbability: 0.999,
  maxChangedDecisions: 0.05,
  knownHeads: [],
};

const MAX_FILE_BYTES = 64 * 1024;

/** Limits from a JSON file; what it leaves out is as in {@link defaultGateLimits}. Throws `bad-usage` naming the field. */
export async function readGateLimits(path: string): Promise<GateLimits> {
  const bytes = await readBoundedFile(path, MAX_FILE_BYTES);
  let value: unknown;
  try {
    value = parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new HimplosError('bad-usage', `${path}: not JSON: ${(cause as Error).message}`, {
      hint: `expected an object with some of ${Object.keys(defaultGateLimits).join(', ')}`,
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ...defaultGateLimits, ...(parsed.data as Partial<GateLimits>) };
  const issue = parsed.error.issues[0]!;
  const field = issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : issue.path.join('.');
  const reason =
    issue.code === 'unrecognized_keys'
      ? 'there is no such limit'
      : 'expected a share from 0 to 1 (or, for heads, a list of SHA-256s)';
  throw new HimplosError('bad-usage', `${path}: ${field || 'the whole'}: ${reason}`, {
    hint: `limits are ${Object.keys(defaultGateLimits).join(', ')}`,
  });
}

const share = z.number().check(z.gte(0), z.lte(1));

const schema = z.strictObject({
  maxAccuracyDrop: z.optional(share),
  maxAurocDrop: z.optional(share),
  maxAurocDropOn: z.optional(z.record(z.string(), share)),
  coverageProbability: z.optional(z.number().check(z.gt(0), z.lt(1))),
  maxChangedDecisions: z.optional(share),
  knownHeads: z.optional(z.array(z.string().check(z.regex(/^[0-9a-f]{64}$/)))),
});
