import { canonicalJson, type Json } from '../formats/canonical-json.ts';
import {
  either,
  inOrder,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  record,
  type Shape,
  text,
  triple,
  whole,
} from '../formats/json-shape.ts';
import { parseStrictJson } from '../formats/strict-json.ts';
import { badArtifact } from './bad-artifact.ts';
import type { DetectorDocument } from './detector-document.ts';

/**
 * Reads the JSON of a detector: known fields only, in their ranges, agreeing with each other, in canonical form.
 * Throws `bad-artifact` naming the first field that is wrong.
 */
export function parseDetectorDocument(json: string): DetectorDocument {
  let value: unknown;
  try {
    value = parseStrictJson(json);
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
  if (canonicalJson(document as unknown as Json) !== json)
    throw badArtifact('its document is not in canonical form');
  return document;
}

/** Checks a document before it is written. Throws `bad-artifact` naming the first field that is wrong. */
export function checkDetectorDocument(value: unknown): DetectorDocument {
  const misfit = shape(value);
  if (misfit !== undefined) {
    const where = misfit.path.join('.') || 'the top';
    throw badArtifact(`its document is wrong at ${where}: expected ${misfit.expected}`);
  }
  const document = inOrder(shape, value as DetectorDocument);
  const contradiction = findContradiction(document);
  if (contradiction !== undefined) throw badArtifact(`its document contradicts itself: ${contradiction}`);
  return document;
}

const count = whole(0);
const share = number('a number from 0 to 1', (value) => value >= 0 && value <= 1);
const positive = number('a number above 0', (value) => value > 0);
const digest = text(64, 64, /^[0-9a-f]{64}$/);
const pixels = whole(1, 65_535);

const dataSummary = {
  name: nullable(text(1, 200)),
  kind: oneOf('images', 'features'),
  digest,
  count,
  perClass: nullable(list(count)),
};

const shape: Shape<DetectorDocument> = object<DetectorDocument>({
  formatVersion: oneOf(1),
  toolVersion: text(1, 64),
  name: nullable(text(1, 200)),
  method: text(1, 1000, /^[a-z][a-z0-9-]{0,31}(:.+)?$/),
  direction: oneOf('higher-is-id'),
  threshold: object({
    gamma: number(),
    tpr: number('a number between 0 and 1', (value) => value > 0 && value < 1),
    rule: oneOf('conformal-midpoint'),
    calibrationScores: count,
    index: whole(1),
  }),
  tuning: optional(
    object({
      grid: list(object({ key: text(1, 100), values: list(text(1, 500), 1000) }), 100),
      points: count,
      heldOut: object({ from: oneOf('calibration'), count }),
      outliers: list(object({ kind: text(1, 100), count }), 100),
      seed: count,
      fpr95: share,
      auroc: share,
    }),
  ),
  classes: whole(1, 2 ** 24),
  width: whole(1, 2 ** 24),
  classNames: list(text(1, 1000)),
  missingClasses: list(count),
  headFingerprint: digest,
  model: nullable(object({ digest, name: nullable(text(1, 255)), headInput: text(1, 1000) })),
  preprocessing: nullable(
    object({
      resize: nullable(either(object({ shorter: pixels }), object({ height: pixels, width: pixels }))),
      crop: nullable(pixels),
      mean: triple(number()),
      std: triple(positive),
    }),
  ),
  data: object({
    train: object(dataSummary),
    calibration: object(dataSummary),
    evaluation: nullable(object(dataSummary)),
    ood: list(object({ ...dataSummary, name: text(1, 200) })),
  }),
  metrics: object({
    id: object({
      on: oneOf('evaluation', 'calibration'),
      n: count,
      accuracy: nullable(share),
      coverage: share,
    }),
    ood: list(
      object({
        name: text(1, 200),
        n: count,
        fpr95: share,
        fpr95_ood: share,
        auroc: share,
        aupr_in: share,
        aupr_out: share,
      }),
    ),
  }),
  warnings: list(text(1, 4000), 1000),
  tensors: record(object({ dtype: oneOf('F32', 'F64', 'I32', 'I64', 'U8'), shape: list(count) })),
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
