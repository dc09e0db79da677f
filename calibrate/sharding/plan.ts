import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { DetectorModel } from '../../shared/artifact/detector-document.ts';
import { HimplosError } from '../../shared/errors.ts';
import { canonicalJson, type Json } from '../../shared/formats/canonical-json.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { parsePreprocessing } from '../../shared/images/preprocessing-document.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { parseDocument } from './parse-document.ts';
import { MAX_SHARDS } from './shard-index.ts';

/** What all shards of one calibration have in common. Kept as `plan.json` beside the partials. */
export interface Plan {
  readonly formatVersion: 1;
  readonly toolVersion: string;
  readonly shards: number;
  readonly head: {
    readonly classes: number;
    readonly width: number;
    /** SHA-256 of weight and bias. */
    readonly fingerprint: string;
    readonly model: DetectorModel | null;
  };
  readonly parameters: {
    readonly method: string;
    readonly tpr: number;
    readonly name: string | null;
    readonly headInput: string | null;
    readonly allowMissingClasses: boolean;
    readonly allowOverlap: boolean;
    readonly skipBad: boolean;
    readonly preprocessing: Preprocessing | null;
    /** How images go through the model, on which the last bits of features depend; null where there are none. */
    readonly images: { readonly batch: number; readonly device: string } | null;
    readonly classNames: readonly string[];
  };
  readonly inputs: {
    readonly train: Outline;
    readonly calibration: Outline;
    readonly evaluation: Outline | null;
    readonly ood: readonly (Outline & { readonly name: string })[];
  };
}

/** What every shard can see of a source without reading all of it. */
export interface Outline {
  readonly kind: 'images' | 'features';
  readonly samples: number;
  /** SHA-256 over the images per class, or over the labels. */
  readonly digest: string;
}

/** Digests of a plan's parts, which every partial carries. */
export interface Stamp {
  readonly toolVersion: string;
  readonly shards: number;
  readonly head: string;
  readonly parameters: string;
  readonly inputs: string;
}

export function stampOf({ toolVersion, shards, head, parameters, inputs }: Plan): Stamp {
  return {
    toolVersion,
    shards,
    head: digestOf(head),
    parameters: digestOf(parameters),
    inputs: digestOf(inputs),
  };
}

/** SHA-256 of a value as canonical JSON. */
export function digestOf(value: unknown): string {
  return createHash('sha256')
    .update(canonicalJson(value as Json))
    .digest('hex');
}

/** How something with the stamp `got` does not belong to a plan, for messages; undefined when it does. */
export function explainForeign(expected: Stamp, got: Stamp): string | undefined {
  if (got.toolVersion !== expected.toolVersion)
    return `made by himplos ${got.toolVersion}, expected ${expected.toolVersion}`;
  if (got.head !== expected.head) return 'made with another head or model';
  if (got.parameters !== expected.parameters)
    return 'made with other parameters (method, classes, preprocessing, batch or device)';
  if (got.inputs !== expected.inputs) return 'made from other data';
  if (got.shards !== expected.shards)
    return `one of ${got.shards} shards, expected one of ${expected.shards}`;
  return undefined;
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const count = z
  .int()
  .min(1)
  .max(2 ** 31);
const outline = { kind: z.enum(['images', 'features']), samples: count, digest };

export const stampSchema: z.ZodType<Stamp> = z.strictObject({
  toolVersion: z.string().max(100),
  shards: z.int().min(1).max(MAX_SHARDS),
  head: digest,
  parameters: digest,
  inputs: digest,
});

const planSchema = z.strictObject({
  formatVersion: z.literal(1),
  toolVersion: z.string().max(100),
  shards: z.int().min(1).max(MAX_SHARDS),
  head: z.strictObject({
    classes: count,
    width: count,
    fingerprint: digest,
    model: z
      .strictObject({ digest: z.string(), name: z.string().nullable(), headInput: z.string() })
      .nullable(),
  }),
  parameters: z.strictObject({
    method: z.string().max(1000),
    tpr: z.number().gt(0).lt(1),
    name: z.string().nullable(),
    headInput: z.string().nullable(),
    allowMissingClasses: z.boolean(),
    allowOverlap: z.boolean(),
    skipBad: z.boolean(),
    preprocessing: z.unknown(),
    images: z.strictObject({ batch: count, device: z.string() }).nullable(),
    classNames: z.array(z.string()),
  }),
  inputs: z.strictObject({
    train: z.strictObject(outline),
    calibration: z.strictObject(outline),
    evaluation: z.strictObject(outline).nullable(),
    ood: z.array(z.strictObject({ name: z.string(), ...outline })).max(1000),
  }),
}) as unknown as z.ZodType<Plan>;

const PLAN = 'plan.json';
/** Class names of the largest classifiers are below 1 MiB. */
const MAX_PLAN_BYTES = 16 * 2 ** 20;

/**
 * Leaves the plan where the partials go, or finds it there already: the first shard decides what is calibrated.
 * Throws `conflict` saying what differs when another calibration's partials are there.
 */
export async function agreeOnPlan(store: ObjectStore, plan: Plan, signal: AbortSignal): Promise<void> {
  const body = new TextEncoder().encode(`${canonicalJson(plan as unknown as Json)}\n`);
  try {
    await store.put(PLAN, body, { ifNoneMatch: '*', signal });
    return;
  } catch (error) {
    if (!(error instanceof HimplosError) || error.code !== 'conflict') throw error;
  }
  const difference = explainForeign(stampOf(await readPlan(store, signal)), stampOf(plan));
  if (difference === undefined) return;
  throw new HimplosError(
    'conflict',
    `${store.address} holds the partials of another calibration: this shard is ${difference}`,
    {
      hint: 'give every shard the same options and data, or a new --partials',
    },
  );
}

/** Reads the plan. Throws `not-found` where there are no partials, and `bad-input` for a file that is no plan. */
export async function readPlan(store: ObjectStore, signal: AbortSignal): Promise<Plan> {
  let body: Uint8Array;
  try {
    ({ body } = await store.get(PLAN, { maxBytes: MAX_PLAN_BYTES, signal }));
  } catch (cause) {
    if (!(cause instanceof HimplosError) || cause.code !== 'not-found') throw cause;
    throw new HimplosError('not-found', `${store.address}: there are no partials of a calibration`, {
      hint: 'himplos calibrate … --shard INDEX/COUNT --partials DEST writes them',
      cause,
    });
  }
  const where = `${store.address}: ${PLAN}`;
  const plan = parseDocument(planSchema, new TextDecoder().decode(body), where);
  const { preprocessing } = plan.parameters;
  if (preprocessing === null) return plan;
  return {
    ...plan,
    parameters: { ...plan.parameters, preprocessing: parsePreprocessing(preprocessing, where) },
  };
}
