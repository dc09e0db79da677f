import { setTimeout as delay } from 'node:timers/promises';
import { badArtifact } from '../../shared/artifact/bad-artifact.ts';
import {
  type DetectorContents,
  type DetectorPreamble,
  decodeDetector,
  decodeDetectorPreamble,
} from '../../shared/artifact/detector.ts';
import { sha256Hex } from '../../shared/artifact/digest.ts';
import { HimplosError } from '../../shared/errors.ts';
import { safetensorsDataOffset } from '../../shared/formats/safetensors.ts';
import { allocateForKernel } from '../../shared/kernel/kernel-memory.ts';
import type { KernelModule } from '../../shared/kernel/kernel-module.ts';
import { prepareScorer } from '../../shared/kernel/prepare-scorer.ts';
import { loadMethod } from '../../shared/methods/load-method.ts';
import type { ChannelState } from '../../shared/store/channels.ts';
import type { ObjectReader } from '../../shared/store/object-store.ts';
import { versionKey } from '../../shared/store/version-keys.ts';
import type { ImageModel, ServingDetector } from '../http/service.ts';
import { MAX_DETECTOR_BYTES } from './read-ahead.ts';

const ATTEMPTS = 3;
const LONGEST_PAUSE_MS = 200;

/** Loads what a version needs besides its detector to score images; undefined where it cannot. */
export type LoadImages = (
  store: ObjectReader,
  detector: string,
  state: ChannelState,
  contents: Promise<DetectorContents>,
  signal: AbortSignal,
) => Promise<ImageModel | undefined>;

/**
 * Loads the version a channel points to, checks all of it and prepares its scorer. What arrives damaged is fetched
 * again, at most twice, after a random pause. Throws `bad-artifact`, `not-found`, `unavailable` or `interrupted`.
 */
export async function loadServing(
  store: ObjectReader,
  detector: string,
  state: ChannelState,
  parts: { readonly kernel: Promise<KernelModule | undefined>; readonly loadImages?: LoadImages },
  signal: AbortSignal,
): Promise<ServingDetector> {
  const { version } = state.document;
  for (let attempt = 1; ; attempt++) {
    try {
      const contents = fetchDetector(store, detector, version, signal);
      // The scorer is prepared while the model for images is still on its way, which is not wanted without one.
      const prepared = contents.then(async (loaded) => prepareServing(version, loaded, await parts.kernel));
      const usable = prepared.then((serving) => serving.contents);
      // Whoever waits for it hears of a failure, and perhaps nobody does, or not yet.
      usable.catch(() => undefined);
      const [serving, images] = await Promise.all([
        prepared,
        parts.loadImages?.(store, detector, state, usable, signal),
      ]);
      return { ...serving, images };
    } catch (error) {
      const isDamage = error instanceof HimplosError && error.code === 'bad-artifact';
      if (!isDamage || attempt === ATTEMPTS || signal.aborted) throw error;
      await delay(Math.random() * LONGEST_PAUSE_MS * attempt, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** A decoded version, ready to score features. */
export async function prepareServing(
  version: string,
  contents: DetectorContents,
  kernel: KernelModule | undefined,
): Promise<ServingDetector> {
  const { document, head, tensors, calibrationScores } = contents;
  const detector = await loadMethod(document.method);
  return {
    version,
    method: document.method,
    gamma: document.threshold.gamma,
    classNames: document.classNames,
    calibrationScores,
    contents,
    detector,
    scorer: prepareScorer({ detector, head, tensors }, kernel, { isDeferred: true }),
    confirmedAtMs: Date.now(),
  };
}

/** A version is named after the SHA-256 of its detector, so that is all it takes to verify it. */
async function fetchDetector(
  store: ObjectReader,
  detector: string,
  version: string,
  signal: AbortSignal,
): Promise<DetectorContents> {
  const key = versionKey(detector, version, 'detector.safetensors');
  const begun: { memory?: ArrayBufferLike; preamble?: Promise<DetectorPreamble | undefined> } = {};
  // What stands before the tensors is read while they arrive, as if they were verified; nothing of it is used until the
  // digest is right, and what is wrong with it shows then.
  const onPart = (body: Uint8Array, arrived: number) => {
    if (begun.memory === body.buffer || !hasPreamble(body, arrived)) return;
    const preamble = decodeDetectorPreamble(body.subarray(0, arrived), body.length, { isVerified: true });
    begun.memory = body.buffer;
    begun.preamble = preamble.catch(() => undefined);
  };
  const { body, sha256 } = await store.get(key, {
    maxBytes: MAX_DETECTOR_BYTES,
    signal,
    onPart,
    allocate: allocateForKernel,
  });
  const digest = sha256 ?? (await sha256Hex(body));
  if (digest !== version) {
    throw badArtifact(
      `${store.address}/${key}: expected SHA-256 ${version.slice(0, 12)}…, got ${digest.slice(0, 12)}…`,
    );
  }
  const preamble = begun.memory === body.buffer ? await begun.preamble : undefined;
  return decodeDetector(body, { isVerified: true, begun: preamble });
}

function hasPreamble(body: Uint8Array, arrived: number): boolean {
  try {
    return arrived >= safetensorsDataOffset(body.subarray(0, arrived), body.length);
  } catch {
    return false;
  }
}
