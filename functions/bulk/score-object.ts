import { createHash } from 'node:crypto';
import { HimplosError } from '../../shared/errors.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { isAccessDenied } from '../../shared/store/s3-errors.ts';
import type { Observer, ServingDetector } from '../http/service.ts';
import { isInboxKey, scoresKey, summaryKey } from './bulk-keys.ts';
import { ChunkReader } from './chunk-reader.ts';
import { OutputSpool } from './output-spool.ts';
import { kindOf, readSamples } from './read-samples.ts';
import { emptyTally, scoreBlocks } from './score-blocks.ts';
import { type ListingTally, readListing } from './score-listing.ts';

export interface BulkOptions {
  /** The bucket's root: inputs and outputs are told apart by prefix. */
  readonly store: ObjectStore;
  readonly observer: Observer;
  /** q of Benjamini and Hochberg. */
  readonly falseDiscoveryRate: number;
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
}

/** What became of an object. */
export type Outcome =
  /** Its scores and its summary are written. */
  | 'scored'
  /** They were written before, for the same content and version. */
  | 'already-scored'
  /** It cannot be scored; its summary says why. */
  | 'refused'
  /** It is not below the inbox, is an image (those are scored by listings), or is gone. */
  | 'ignored';

/**
 * Scores one object of the inbox: `scores/<key>.<version>.jsonl`, then, last, `….summary.json`. The same content and
 * version give the same bytes, and are not scored twice where the summary can be read. Throws only what is worth
 * another attempt.
 */
export async function scoreObject(
  key: string,
  serving: ServingDetector,
  options: BulkOptions,
): Promise<Outcome> {
  if (!isInboxKey(key) || IMAGE_NAME.test(key)) return 'ignored';
  const { store, signal } = options;
  const found = await store.head(key, { signal });
  if (found === undefined) return 'ignored';
  const { etag } = found;
  const known = await readSummary(store, summaryKey(key, serving.version), signal);
  if (known?.input_etag === etag) return 'already-scored';
  const about = { input: key, input_etag: etag, artifact_version: serving.version };
  try {
    const results = await scoreContent(key, serving, options);
    // What was read has to be what the summary names.
    if ((await store.head(key, { signal }))?.etag !== etag) {
      throw new HimplosError('unavailable', `${key} changed while it was scored`, {
        hint: 'it is read again',
      });
    }
    await writeSummary({ status: 'scored', ...about, ...results });
    return 'scored';
  } catch (error) {
    if (!(error instanceof HimplosError) || !INPUTS_FAULTS.has(error.code)) throw error;
    const { code, message, hint } = error;
    await writeSummary({
      status: 'refused',
      ...about,
      error: { code, message, ...(hint !== undefined && { hint }) },
    });
    return 'refused';
  }

  function writeSummary(summary: object): Promise<unknown> {
    const body = new TextEncoder().encode(`${JSON.stringify(summary, undefined, 2)}\n`);
    return store.put(summaryKey(key, serving.version), body, { signal });
  }
}

const IMAGE_NAME = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i;

const INPUTS_FAULTS: ReadonlySet<string> = new Set(['bad-input', 'unsupported', 'too-large']);

/** Writes the scores; resolves to what the summary says of them. */
async function scoreContent(key: string, serving: ServingDetector, options: BulkOptions): Promise<object> {
  const { store, observer, falseDiscoveryRate, maxOutputBytes, signal } = options;
  const kind = kindOf(key);
  await using spool = await OutputSpool.open(maxOutputBytes);
  const { bytes, chunks } = await store.open(key, { signal });
  const digest = createHash('sha256');
  const reader = new ChunkReader(chunks, (chunk) => digest.update(chunk));
  const tally = emptyTally(serving);
  const listing: ListingTally = { refused: 0 };
  try {
    const { width } = serving.contents.head;
    const blocks =
      kind === '.txt'
        ? readListing(reader, store, serving, spool, listing, signal)
        : readSamples(kind, reader, bytes, width);
    await scoreBlocks(blocks, serving, tally, spool, observer);
  } finally {
    await reader.close();
  }
  const output = scoresKey(key, serving.version);
  await store.put(output, spool.body(), { signal });
  const { rows, outOfDistribution, ranks } = tally;
  const { pThreshold, count } = ranks.discoveries(falseDiscoveryRate);
  return {
    input_sha256: digest.digest('hex'),
    input_bytes: bytes,
    output,
    method: serving.method,
    gamma: serving.gamma,
    rows,
    ...(kind === '.txt' && { images_refused: listing.refused }),
    id: rows - outOfDistribution,
    ood: outOfDistribution,
    ood_share: rows === 0 ? null : outOfDistribution / rows,
    // By Benjamini and Hochberg: a row is called ood if its p_value is at most p_threshold.
    fdr: { q: falseDiscoveryRate, p_threshold: pThreshold, ood: count },
  };
}

/** The part of a summary that says what it is of; undefined where there is none, or none that may be read. */
async function readSummary(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<{ readonly input_etag?: unknown } | undefined> {
  try {
    const { body } = await store.get(key, { maxBytes: MAX_SUMMARY_BYTES, signal });
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    // A role that may not read scores makes every attempt a first one.
    const isAbsent =
      error instanceof HimplosError &&
      (error.code === 'not-found' || error.code === 'too-large' || isAccessDenied(error));
    if (isAbsent) return undefined;
    throw error;
  }
}

const MAX_SUMMARY_BYTES = 65_536;
