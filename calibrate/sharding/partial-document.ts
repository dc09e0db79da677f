import { z } from 'zod';
import { HimplosError } from '../../shared/errors.ts';
import { canonicalJson, type Json } from '../../shared/formats/canonical-json.ts';
import { parseDocument } from './parse-document.ts';
import { explainForeign, type Stamp, stampSchema } from './plan.ts';
import { MAX_SHARDS } from './shard-index.ts';

/** What a partial says of itself: canonical JSON under the key `himplos_partial` of its safetensors metadata. */
export interface PartialDocument {
  readonly formatVersion: 1;
  /** `rows`: what a shard saw of every set. `statistics`: of one pass. `merged`: a pass of all shards. */
  readonly kind: 'rows' | 'statistics' | 'merged';
  /** From 1; 0 for rows. */
  readonly pass: number;
  /** From 0; null for a merged pass. */
  readonly shard: number | null;
  readonly stamp: Stamp;
  /** Digest of the shard's training rows; for a merged pass, of all shards' rows ({@link digestOfRows}). */
  readonly rowsDigest: string;
  /** Keys of the statistics; tensors are called `POSITION.NAME`. */
  readonly statistics: readonly string[];
  /** Samples passed over: of train, calibration, evaluation (where there is one) and each OOD set. */
  readonly skipped: readonly number[];
  /** SHA-256 of everything behind the header. */
  readonly sha256: string;
}

const KEY = 'himplos_partial';

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const schema: z.ZodType<PartialDocument> = z.strictObject({
  formatVersion: z.literal(1),
  kind: z.enum(['rows', 'statistics', 'merged']),
  pass: z.int().min(0).max(1000),
  shard: z.int().min(0).max(MAX_SHARDS).nullable(),
  stamp: stampSchema,
  rowsDigest: digest,
  statistics: z.array(z.string().max(100_000)).max(1000),
  skipped: z.array(z.int().min(0)).max(1003),
  sha256: digest,
});

export function encodePartialDocument(document: PartialDocument): Readonly<Record<string, string>> {
  return { [KEY]: canonicalJson(document as unknown as Json) };
}

/** Throws `bad-input` naming the partial. */
export function decodePartialDocument(
  metadata: Readonly<Record<string, string>>,
  where: string,
): PartialDocument {
  const { [KEY]: text, ...others } = metadata;
  if (text !== undefined && Object.keys(others).length === 0) return parseDocument(schema, text, where);
  throw new HimplosError('bad-input', `${where}: this safetensors file is no partial of himplos`, {
    hint: 'keep other files out of the folder of partials',
  });
}

/** What a partial must be. */
export type PartialIdentity = Pick<PartialDocument, 'kind' | 'pass' | 'shard' | 'stamp'>;

/** Throws `bad-input`, naming the partial, for one of another calibration, shard or pass. */
export function requireIdentity(document: PartialDocument, expected: PartialIdentity, where: string): void {
  const foreign = explainForeign(expected.stamp, document.stamp);
  if (foreign !== undefined) {
    throw new HimplosError('bad-input', `${where} is foreign: ${foreign}`, {
      hint: 'remove it and run that shard again, with the options and data of the others',
    });
  }
  const { kind, pass, shard } = document;
  if (kind === expected.kind && pass === expected.pass && shard === expected.shard) return;
  throw new HimplosError(
    'bad-input',
    `${where}: expected ${describe(expected)}, got ${describe(document)}, which is a duplicate under a wrong name`,
    { hint: 'it was renamed or copied: remove it and run the shard that is missing again' },
  );
}

function describe({ kind, pass, shard }: Pick<PartialIdentity, 'kind' | 'pass' | 'shard'>): string {
  const what = kind === 'rows' ? 'the rows' : `pass ${pass}`;
  return shard === null ? `${what}, merged` : `${what} of shard ${shard}`;
}
