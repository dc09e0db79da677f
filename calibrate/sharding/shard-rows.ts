import type { ObjectStore } from '../../shared/store/object-store.ts';
import { f32, type Tensor, u8 } from '../../shared/tensor.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import type { PartialIdentity } from './partial-document.ts';
import { inMemory, type StreamedTensor, writePartial } from './partial-file.ts';

/** Where a set's tensors are in a partial: `train`, `calibration`, `evaluation`, `ood.0`, … */
export interface NamedSet {
  readonly key: string;
  readonly set: FeatureSet;
}

/** What a shard saw of every set, in the order train, calibration, evaluation, OOD sets. */
export interface ShardRows {
  readonly sets: readonly NamedSet[];
  readonly recorder: RowRecorder;
}

/**
 * Writes what a merge needs of a shard's rows: content digests and labels of all sets (for data digests, counts and
 * overlaps), and the features of all but the training set, which are few, so that a merge can score them by itself.
 */
export function writeShardRows(
  store: ObjectStore,
  key: string,
  identity: PartialIdentity,
  { sets, recorder }: ShardRows,
  signal: AbortSignal,
): Promise<void> {
  const tensors: Record<string, StreamedTensor> = {};
  for (const { key: name, set } of sets) {
    const { digests, names } = recorder.of(set.role);
    const { rows, width, labels, positionOf } = set;
    tensors[`${name}.digests`] = inMemory(u8(digests, rows, 32));
    tensors[`${name}.labels`] = inMemory(i32(labels));
    if (name === 'train') continue;
    tensors[`${name}.features`] = { dtype: 'F32', shape: [rows, width], read: () => featureBytes(set) };
    tensors[`${name}.positions`] = inMemory(
      i32(Int32Array.from({ length: rows }, (_, row) => positionOf(row))),
    );
    if (set.kind === 'features') continue; // their names are their positions
    const text = new TextEncoder().encode(JSON.stringify(names));
    tensors[`${name}.names`] = inMemory(u8(text, text.length));
  }
  const skipped = sets.map(({ set }) => set.skipped);
  const document = { ...identity, rowsDigest: sets[0]!.set.digest, statistics: [], skipped };
  return writePartial(store, key, document, tensors, signal);
}

function i32(data: Int32Array): Tensor {
  return { dtype: 'I32', data, shape: [data.length] };
}

async function* featureBytes(set: FeatureSet): AsyncGenerator<Uint8Array> {
  for await (const { rows, features } of set.batches(512)) {
    const { data } = f32(features.slice(0, rows * set.width)); // whoever sends it may hold it longer than the set does
    yield new Uint8Array(data.buffer as ArrayBuffer);
  }
}

/** Takes down content digests and names of the rows of every role, where a calibration looks for overlaps. */
export class RowRecorder {
  readonly #roles = new Map<string, { digests: Uint8Array; rows: number; names: string[] }>();

  add(role: string, digest: Uint8Array, name: string): void {
    let own = this.#roles.get(role);
    if (own === undefined) {
      own = { digests: new Uint8Array(32 * 1024), rows: 0, names: [] };
      this.#roles.set(role, own);
    }
    if (32 * own.rows === own.digests.length) {
      const larger = new Uint8Array(2 * own.digests.length);
      larger.set(own.digests);
      own.digests = larger;
    }
    own.digests.set(digest, 32 * own.rows++);
    // Messages name the later one of two roles, which training rows never are.
    if (role !== 'train') own.names.push(name);
  }

  /** rows × 32 bytes, and one name a row (none for `train`). */
  of(role: string): { readonly digests: Uint8Array; readonly names: readonly string[] } {
    const { digests, rows, names } = this.#roles.get(role) ?? {
      digests: new Uint8Array(0),
      rows: 0,
      names: [],
    };
    return { digests: digests.subarray(0, 32 * rows), names };
  }
}
