import { HimplosError } from '../../shared/errors.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import type { ServingDetector } from '../http/service.ts';
import { isInboxKey } from './bulk-keys.ts';
import type { ChunkReader } from './chunk-reader.ts';
import { readLines } from './json-lines.ts';
import type { OutputSpool } from './output-spool.ts';
import type { SampleBlock } from './read-samples.ts';

/** As much as the images function takes. */
const MAX_IMAGE_BYTES = 16 * 2 ** 20;
/** Images under way. */
const IMAGES = 8;
const IMAGE_BUDGET_MS = 60_000;

/** Counts images that could not be used. */
export interface ListingTally {
  refused: number;
}

/**
 * Turns a listing (keys below the inbox, one a line) into samples whose ids are the keys. An image that cannot be used
 * gets a line `{"row", "id", "error"}` of its own instead of scores. Throws `bad-input` for a line that is not such a
 * key, `unsupported` when the detector takes no images, what the store throws when it fails.
 */
export async function* readListing(
  reader: ChunkReader,
  store: ObjectStore,
  { images }: ServingDetector,
  spool: OutputSpool,
  tally: ListingTally,
  signal: AbortSignal,
): AsyncGenerator<SampleBlock> {
  if (images === undefined) {
    throw new HimplosError('unsupported', 'this detector was calibrated from features: it takes no images', {
      hint: 'send features (.npy, .safetensors, .jsonl)',
    });
  }
  const model = images;
  let row = 0;
  let keys: string[] = [];

  async function* flush(): AsyncGenerator<SampleBlock> {
    for (const [index, result] of (await Promise.all(keys.map(attempt))).entries()) {
      const firstRow = row++;
      if (result instanceof HimplosError) {
        tally.refused++;
        const error = { code: result.code, message: result.message.replace(/^images\[0\]: /, '') };
        await spool.write(`${JSON.stringify({ row: firstRow, id: keys[index], error })}\n`);
      } else yield { firstRow, rows: 1, features: result, ids: [keys[index]!] };
    }
    keys = [];
  }

  async function attempt(key: string): Promise<Float32Array | HimplosError> {
    try {
      const { body } = await store.get(key, { maxBytes: MAX_IMAGE_BYTES, signal });
      return await model.run([body], IMAGE_BUDGET_MS);
    } catch (error) {
      if (error instanceof HimplosError && IMAGES_FAULTS.has(error.code)) return error;
      throw error;
    }
  }

  for await (const { text, number } of readLines(reader)) {
    const key = text.trim();
    if (!isInboxKey(key)) {
      throw new HimplosError('bad-input', `line ${number}: expected a key below inbox/`, {
        hint: 'one key a line, without the bucket: inbox/photos/1.jpg',
      });
    }
    keys.push(key);
    if (keys.length === IMAGES) yield* flush();
  }
  yield* flush();
  if (row === 0) throw new HimplosError('bad-input', 'expected at least one image, got none');
}

const IMAGES_FAULTS: ReadonlySet<string> = new Set(['bad-input', 'unsupported', 'too-large', 'not-found']);
