// zod/mini instead of zod: 7 KB instead of 28 KB in a zipped function, and 8 ms instead of 17 ms to load.
import * as z from 'zod/mini';
import { canonicalJson, type Json } from '../formats/canonical-json.ts';
import { parseStrictJson } from '../formats/strict-json.ts';
import { badArtifact } from './bad-artifact.ts';
import type { DetectorDocument } from './detector-document.ts';

/**
 * Reads the JSON of a detector: known fields only, in their ranges, agreeing with each other, in canonical form.
 * Throws `bad-artifact` naming the first field that is wrong.
 */
export function parseDetectorDocument(text: string): DetectorDocument {
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (cause) {
    throw badArtifact('its document is not valid JSON', { cause });
  }
  const version = (value as { formatVersion?: unknown } | null)?.formatVersion;
  if (version !== 1) {
    throw badArtifact(`expected format version 1, got ${JSON.stringify(version)?.slice(0, 40) ?? 'none'}`, {
      hint: 'it was written by another version of himplos: use that one, or calibrate again',
    });
  }
  const document = checkDetectorDocument(value);
  if (canonicalJson(document as unknown as Json) !== text)
    throw badArtifact('its document is not in canonical form');
  return document;
}

/** Checks a document before it is written. Throws `bad-artifact` naming the first field that is wrong. */
export function checkDetectorDocument(value: unknown): DetectorDocument {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const reason = 'expected' in issue ? `expected ${issue.expected}` : issue.code;
    throw badArtifact(`its document is wrong at ${issue.path.join('.') || 'the top'}: ${reason}`);
  }
  const document = parsed.data;
  const contradiction = findContradiction(document);
  if (contradiction !== undefined) throw badArtifact(`its document contradicts itself: ${contradiction}`);
  return document;
}

const text = (maxLength: number) => z.string().check(z.minLength(1), z.maxLength(maxLength));
const count = z.int().check(z.gte(0));
const share = z.number().check(z.gte(0), z.lte(1));
const digest = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const pixels = z.int().check(z.gte(1), z.lte(65_535));
const finite = z.number();
const positive = z.number().check(z.gt(0));

const dataSummary = {
  name: z.nullable(text(200)),
  kind: z.enum(['images', 'features']),
  digest,
  count,
  perClass: z.nullable(z.array(count)),
};

const schema: z.ZodMiniType<DetectorDocument> = z.strictObject({
  formatVersion: z.literal(1),
  toolVersion: text(64),
  name: z.nullable(text(200)),
  method: z.string().check(z.maxLength(1000), z.regex(/^[a-z][a-z0-9-]{0,31}(:.+)?$/)),
  direction: z.literal('higher-is-id'),
  threshold: z.strictObject({
    gamma: finite,
    tpr: z.number().check(z.gt(0), z.lt(1)),
    rule: z.literal('conformal-midpoint'),
    calibrationScores: count,
    index: z.int().check(z.gte(1)),
  }),
  tuning: z.optional(
    z.strictObject({
      grid: z
        .array(z.strictObject({ key: text(100), values: z.array(text(500)).check(z.maxLength(1000)) }))
        .check(z.maxLength(100)),
      points: count,
      heldOut: z.strictObject({ from: z.literal('calibration'), count }),
      outliers: z.array(z.strictObject({ kind: text(100), count })).check(z.maxLength(100)),
      seed: count,
      fpr95: share,
      auroc: share,
    }),
  ),
  classes: z.int().check(z.gte(1), z.lte(2 ** 24)),
  width: z.int().check(z.gte(1), z.lte(2 ** 24)),
  classNames: z.array(text(1000)),
  missingClasses: z.array(count),
  headFingerprint: digest,
  model: z.nullable(z.strictObject({ digest, name: z.nullable(text(255)), headInput: text(1000) })),
  preprocessing: z.nullable(
    z.strictObject({
      resize: z.nullable(
        z.union([z.strictObject({ shorter: pixels }), z.strictObject({ height: pixels, width: pixels })]),
      ),
      crop: z.nullable(pixels),
      mean: z.tuple([finite, finite, finite]),
      std: z.tuple([positive, positive, positive]),
    }),
  ),
  data: z.strictObject({
    train: z.strictObject(dataSummary),
    calibration: z.strictObject(dataSummary),
    evaluation: z.nullable(z.strictObject(dataSummary)),
    ood: z.array(z.strictObject({ ...dataSummary, name: text(200) })),
  }),
  metrics: z.strictObject({
    id: z.strictObject({
      on: z.enum(['evaluation', 'calibration']),
      n: count,
      accuracy: z.nullable(share),
      coverage: share,
    }),
    ood: z.array(
      z.strictObject({
        name: text(200),
        n: count,
        fpr95: share,
        fpr95_ood: share,
        auroc: share,
        aupr_in: share,
        aupr_out: share,
      }),
    ),
  }),
  warnings: z.array(text(4000)).check(z.maxLength(1000)),
  tensors: z.record(
    z.string(),
    z.strictObject({ dtype: z.enum(['F32', 'F64', 'I32', 'I64', 'U8']), shape: z.array(count) }),
  ),
});

/** The first statement in a well-formed document that another one excludes. */
function findContradiction(document: DetectorDocument): string | undefined {
  const { classes, classNames, missingClasses, threshold, data, metrics } = document;
  if (classNames.length !== classes) return `${classNames.length} class names for ${classes} classes`;
  if (missingClasses.some((index, i) => index >= classes || index <= (missingClasses[i - 1] ?? -1))) {
    return `missingClasses must be ascending and below ${classes}`;
  }
  const untrained = data.train.perClass?.flatMap((n, index) => (n === 0 ? [index] : []));
  if (untrained !== undefined && `${untrained}` !== `${missingClasses}`) {
    return `missingClasses is [${missingClasses}], but classes [${untrained}] have no training samples`;
  }
  for (const [role, set] of summaries(data)) {
    if (set.perClass === null) continue;
    if (set.perClass.length !== classes) return `${role} counts ${set.perClass.length} of ${classes} classes`;
    if (set.perClass.reduce((total, n) => total + n, 0) !== set.count)
      return `${role} per class is not its count`;
  }
  const { calibrationScores, index } = threshold;
  if (data.calibration.count !== calibrationScores) {
    return `${data.calibration.count} calibration samples, but ${calibrationScores} scores`;
  }
  if (index > calibrationScores) return `the threshold is at score ${index} of ${calibrationScores}`;
  const idSet = metrics.id.on === 'evaluation' ? data.evaluation : data.calibration;
  if (idSet?.count !== metrics.id.n) return `metrics are of ${metrics.id.n} ${metrics.id.on} samples`;
  const measured = metrics.ood.map(({ name, n }) => `${name} (${n})`).join(', ');
  const given = data.ood.map(({ name, count: n }) => `${name} (${n})`).join(', ');
  if (measured !== given) return `OOD sets measured: ${measured || 'none'}; given: ${given || 'none'}`;
  if (new Set(data.ood.map(({ name }) => name)).size !== data.ood.length) return 'two OOD sets have one name';
  return undefined;
}

function summaries(data: DetectorDocument['data']) {
  const { train, calibration, evaluation, ood } = data;
  return [
    ['train', train] as const,
    ['calibration', calibration] as const,
    ...(evaluation === null ? [] : [['evaluation', evaluation] as const]),
    ...ood.map((set) => [`OOD set ${set.name}`, set] as const),
  ];
}
