import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HimplosError } from '../../shared/errors.ts';
import { type DType, viewTensor } from '../../shared/formats/element-types.ts';
import { storageError } from '../../shared/store/file-errors.ts';
import type { ListedObject, ObjectStore } from '../../shared/store/object-store.ts';
import type { Tensor } from '../../shared/tensor.ts';
import type { CalibrationSets } from '../calibration/gather-inputs.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import type { FeatureSource } from '../sources/contract.ts';
import { openFeatureFile } from '../sources/feature-file.ts';
import { joinSources } from '../sources/join-sources.ts';
import { OverlapFinder } from '../sources/overlap.ts';
import { SourceDigest } from '../sources/source-digest.ts';
import { parseDocument } from './parse-document.ts';
import { ContentCheck, damagedPartial, readPartialHeader, type StoredPartial } from './partial-file.ts';
import { shardIdentity } from './partial-keys.ts';
import { type Outline, type Plan, stampOf } from './plan.ts';

/** All shards' rows together. */
export interface MergedRows {
  /** The training set has labels and a digest, but no features. */
  readonly sets: CalibrationSets;
  readonly overlap: OverlapFinder;
}

/** Reads what the rows of all shards say of themselves, in order. Throws `bad-input` naming a shard that is wrong. */
export async function readRowHeaders(
  store: ObjectStore,
  plan: Plan,
  objects: readonly ListedObject[],
  signal: AbortSignal,
): Promise<readonly StoredPartial[]> {
  const stamp = stampOf(plan);
  const headers: StoredPartial[] = [];
  for (const [shard, object] of objects.entries()) {
    headers.push(await readPartialHeader(store, object, shardIdentity(0, shard, stamp), signal));
  }
  return headers;
}

/**
 * Fetches the rows of all shards into a folder and joins them to the sets that a single process would have had: the same
 * rows in the same order, digests, names and overlaps. Throws `bad-input` naming a partial that is damaged.
 */
export async function mergeRows(
  store: ObjectStore,
  plan: Plan,
  headers: readonly StoredPartial[],
  folder: string,
  signal: AbortSignal,
): Promise<MergedRows> {
  const parts: Part[] = [];
  for (const [shard, header] of headers.entries()) {
    const path = join(folder, `shard-${shard}.safetensors`);
    const where = `${store.address}: ${header.key}`;
    await fetchPartial(store, header, path, signal);
    parts.push({ ...header, path, where });
  }
  const { train, calibration, evaluation, ood } = plan.inputs;
  const overlap = new OverlapFinder();
  let position = 0;
  // Role by role, as a single process goes: which overlap comes first depends on it.
  const merge = (key: string, role: string, outline: Outline) =>
    mergeSet({ key, role, outline, plan, position: position++ }, parts, overlap);
  const sets: CalibrationSets = {
    train: await merge('train', 'train', train),
    calibration: await merge('calibration', 'calibration', calibration),
    evaluation: evaluation === null ? undefined : await merge('evaluation', 'evaluation', evaluation),
    ood: [],
  };
  const oodSets: { name: string; set: FeatureSet }[] = [];
  for (const [i, outline] of ood.entries()) {
    oodSets.push({ name: outline.name, set: await merge(`ood.${i}`, `ood ${outline.name}`, outline) });
  }
  return { sets: { ...sets, ood: oodSets }, overlap };
}

/** A shard's partial on this machine. */
interface Part extends StoredPartial {
  readonly path: string;
  readonly where: string;
}

async function fetchPartial(
  store: ObjectStore,
  partial: StoredPartial,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const content = new ContentCheck(`${store.address}: ${partial.key}`, partial);
  // Not written durably: waiting for the disk 100 times took half the time of a merge.
  const file = await open(path, 'wx').catch((cause: unknown) => {
    throw storageError(cause, `writing ${path}`);
  });
  try {
    for await (const chunk of (await store.open(partial.key, { signal, reusesChunks: true })).chunks) {
      content.add(chunk);
      await file.writeFile(chunk);
    }
    content.finish();
  } catch (cause) {
    throw storageError(cause, `writing ${path}`);
  } finally {
    await file.close();
  }
}

interface SetOptions {
  readonly key: string;
  readonly role: string;
  readonly outline: Outline;
  readonly plan: Plan;
  /** Of the set among all sets. */
  readonly position: number;
}

async function mergeSet(
  { key, role, outline, plan, position }: SetOptions,
  parts: readonly Part[],
  overlap: OverlapFinder,
): Promise<FeatureSet> {
  const { kind, samples } = outline;
  const { classes, width } = plan.head;
  const isTrain = key === 'train';
  const digest = new SourceDigest();
  const labels: Int32Array[] = [];
  const positions: Int32Array[] = [];
  const features: FeatureSource[] = [];
  let skipped = 0;
  let row = 0;
  const allNames: string[] = [];
  // One for all rows: views of 1.6 million, and collecting them, took 0.5 s.
  const content = new Uint8Array(32);
  for (const part of parts) {
    const own = await readTensor(part, `${key}.labels`, 'I32');
    const rows = own.data.length;
    const digests = await readTensor(part, `${key}.digests`, 'U8', [rows, 32]);
    const places = isTrain ? undefined : await readTensor(part, `${key}.positions`, 'I32', [rows]);
    const names = isTrain || kind === 'features' ? undefined : await readNames(part, key, rows);
    for (let i = 0; i < rows; i++, row++) {
      const label = own.data[i]!;
      if (label < -1 || label >= classes)
        throw wrongTensor(part, `${key}.labels`, `classes below ${classes}`);
      for (let byte = 0; byte < 32; byte++) content[byte] = digests.data[32 * i + byte]!;
      digest.add(content, label);
      // Messages name the later one of two roles, which training rows never are.
      overlap.add(role, content, isTrain ? '' : (names?.[i] ?? `row ${places!.data[i]}`));
    }
    labels.push(own.data);
    if (names !== undefined) allNames.push(...names);
    if (places !== undefined) positions.push(places.data);
    if (!isTrain && rows > 0) features.push(await openFeatures(part, `${key}.features`, [rows, width]));
    skipped += part.document.skipped[position] ?? 0;
  }
  if (row === 0) {
    throw new HimplosError('bad-input', `${role}: none of its images can be decoded`, {
      hint: 'look into the output of the shards',
    });
  }
  const place = concatenate(positions);
  const joined = features.length === 0 ? undefined : (joinSources(features) as FeatureSource);
  return {
    role,
    kind,
    rows: row,
    samples,
    width,
    labels: concatenate(labels),
    digest: digest.hex(),
    skipped,
    positionOf: (index) => place[index]!,
    nameOf: (index) => allNames[index] ?? `row ${place[index]}`,
    batches: (limit, own) => joined?.batches(limit, own) ?? nothing(),
  };
}

async function* nothing(): AsyncGenerator<never> {}

async function readTensor<D extends DType>(part: Part, name: string, dtype: D, shape?: readonly number[]) {
  const entry = part.entries.find((candidate) => candidate.name === name);
  const isRight = entry?.dtype === dtype && (shape === undefined || `${entry.shape}` === `${shape}`);
  if (!isRight || (shape === undefined && entry.shape.length !== 1)) {
    throw wrongTensor(part, name, `${dtype} [${shape ?? 'rows'}]`);
  }
  const bytes = new Uint8Array(entry.end - entry.begin);
  const file = await open(part.path);
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, entry.begin + at);
      if (bytesRead === 0) throw damagedPartial(part.where);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return viewTensor(dtype, entry.shape, bytes) as Extract<Tensor, { readonly dtype: D }>;
}

async function readNames(part: Part, key: string, rows: number): Promise<readonly string[]> {
  const { data } = await readTensor(part, `${key}.names`, 'U8');
  const schema = z.array(z.string()).length(rows);
  return parseDocument(schema, new TextDecoder().decode(data), `${part.where}: ${key}.names`);
}

function openFeatures(part: Part, name: string, shape: readonly number[]): Promise<FeatureSource> {
  const entry = part.entries.find((candidate) => candidate.name === name);
  if (entry?.dtype !== 'F32' || `${entry.shape}` !== `${shape}`)
    throw wrongTensor(part, name, `F32 [${shape}]`);
  const array = {
    path: part.path,
    name: `${part.where}: ${name}`,
    dtype: 'F32',
    shape,
    begin: entry.begin,
  } as const;
  return openFeatureFile(part.where, array, undefined);
}

function wrongTensor({ where }: Part, name: string, expected: string): HimplosError {
  return new HimplosError('bad-input', `${where}: ${name}: expected ${expected}`, {
    hint: 'it was written by another version, or made up: remove it and run that shard again',
  });
}

function concatenate(parts: readonly Int32Array[]): Int32Array {
  const whole = new Int32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
