import { randomUUID } from 'node:crypto';
import { encodeDetector } from '../../shared/artifact/detector.ts';
import { describeFile, makeManifest } from '../../shared/artifact/manifest.ts';
import { type FittedDetector, prepareTwin } from '../../shared/kernel/prepare-scorer.ts';
import { allocateScores } from '../../shared/methods/contract.ts';
import { promote, readChannel } from '../../shared/store/channels.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import { writeVersion } from '../../shared/store/versions.ts';
import type { FakeS3Process } from '../servers/fake-s3-process.ts';
import { smallDetector } from '../shared/artifact/small-detector.ts';
import {
  fittedHimplos,
  randomFeatures,
  randomHead,
  randomPrototypes,
  seeded,
} from '../shared/kernel/heads.ts';

/** A detector with everything a test wants to compare answers with. */
export interface MadeDetector {
  readonly fitted: FittedDetector;
  readonly gamma: number;
  readonly bytes: Uint8Array;
  /** Features like those of the calibration set, rows × width. */
  readonly features: Float32Array;
}

const CALIBRATION_ROWS = 199;
const ADDRESS = { detector: 'birds', channel: 'production' };

/** A HIMPLoS detector on a random head, calibrated on random features. The same arguments give the same bytes. */
export function makeDetector(
  classes: number,
  width: number,
  { seed = 1, mask = 50 }: { seed?: number; mask?: number } = {},
): Promise<MadeDetector> {
  const random = seeded(seed);
  const head = randomHead(random, classes, width);
  const fitted = fittedHimplos(head, randomPrototypes(random, head), { mask });
  return calibrate(fitted, randomFeatures(random, CALIBRATION_ROWS, width));
}

/** A detector calibrated on the first 199 rows of these features. */
export async function calibrate(fitted: FittedDetector, features: Float32Array): Promise<MadeDetector> {
  const { head } = fitted;
  const { classes } = head;
  const scores = allocateScores(CALIBRATION_ROWS);
  prepareTwin(fitted).score(features, CALIBRATION_ROWS, scores);
  const ascending = scores.score.toSorted();
  // TPR 0.95 of 199 scores: rank ⌊0.05 · 200⌋ = 10.
  const gamma = (ascending[8]! + ascending[9]!) / 2;
  const { document } = smallDetector();
  const summary = { name: null, kind: 'features' as const, digest: 'b'.repeat(64), perClass: null };
  const bytes = await encodeDetector({
    document: {
      ...document,
      method: fitted.detector.spec,
      threshold: { ...document.threshold, gamma, calibrationScores: CALIBRATION_ROWS, index: 10 },
      classNames: Array.from({ length: classes }, (_, c) => `class ${c}`),
      missingClasses: [],
      model: null,
      preprocessing: null,
      data: {
        train: { ...summary, count: 1000 },
        calibration: { ...summary, count: CALIBRATION_ROWS },
        evaluation: null,
        ood: [],
      },
      metrics: { id: { on: 'calibration', n: CALIBRATION_ROWS, accuracy: null, coverage: 0.955 }, ood: [] },
      warnings: [],
    },
    head,
    tensors: fitted.tensors,
    calibrationScores: scores.score,
  });
  return { fitted, gamma, bytes, features };
}

/** Publishes a detector and points the channel to it; resolves to its version. */
export async function publish(store: ObjectStore, { bytes }: MadeDetector): Promise<string> {
  const manifest = makeManifest([await describeFile('detector.safetensors', bytes)]);
  await writeVersion(store, ADDRESS.detector, manifest, () => bytes);
  const from = await readChannel(store, ADDRESS);
  const note = {
    id: randomUUID(),
    at: new Date().toISOString(),
    by: null,
    reason: null,
    isForced: false,
  };
  await promote(store, ADDRESS, { from, version: manifest.version, note });
  return manifest.version;
}

/** A fake S3 server, in this process or another. */
type S3Server = Pick<FakeS3Process, 'endpoint' | 'credentials'>;

/** The store of a fake S3 server, as a publisher sees it. */
export function storeOf(s3: S3Server): ObjectStore {
  return openS3Store('s3://bucket/detectors', { endpoint: s3.endpoint, credentials: s3.credentials });
}

/** What a function needs to serve that store. */
export function environmentOf(s3: S3Server): Record<string, string> {
  return {
    HIMPLOS_STORE: 's3://bucket/detectors',
    HIMPLOS_DETECTOR: ADDRESS.detector,
    HIMPLOS_CHANNEL: ADDRESS.channel,
    HIMPLOS_S3_ENDPOINT: s3.endpoint,
    AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
  };
}
