import { setTimeout as delay } from 'node:timers/promises';
import { badArtifact } from '../../shared/artifact/bad-artifact.ts';
import { type DetectorContents, decodeDetector } from '../../shared/artifact/detector.ts';
import { sha256Hex } from '../../shared/artifact/digest.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { KernelModule } from '../../shared/kernel/kernel-module.ts';
import { prepareScorer } from '../../shared/kernel/prepare-scorer.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import type { ChannelState } from '../../shared/store/channels.ts';
import type { ObjectReader } from '../../shared/store/object-store.ts';
import { versionKey } from '../../shared/store/versions.ts';
import type { ServingDetector } from '../http/service.ts';

/** Banks of training features have no place in a function; a head of 32,768 × 2,048 with prototypes still fits. */
const MAX_DETECTOR_BYTES = 512 * 1024 * 1024;
const ATTEMPTS = 3;
const LONGEST_PAUSE_MS = 200;

/**
 * Loads the version a channel points to, checks all of it and prepares its scorer. What arrives damaged is fetched
 * again, at most twice, after a random pause. Throws `bad-artifact`, `not-found`, `unavailable` or `interrupted`.
 */
export async function loadServing(
  store: ObjectReader,
  detector: string,
  { document }: ChannelState,
  kernel: Promise<KernelModule | undefined>,
  signal: AbortSignal,
): Promise<ServingDetector> {
  const { version } = document;
  for (let attempt = 1; ; attempt++) {
    try {
      const loaded = await fetchDetector(store, detector, version, signal);
      const method = findDetector(loaded.document.method);
      const fitted = { detector: method, head: loaded.head, tensors: loaded.tensors };
      return {
        version,
        method: loaded.document.method,
        gamma: loaded.document.threshold.gamma,
        classNames: loaded.document.classNames,
        calibrationScores: loaded.calibrationScores,
        contents: loaded,
        detector: method,
        scorer: prepareScorer(fitted, await kernel),
        confirmedAtMs: Date.now(),
      };
    } catch (error) {
      const isDamage = error instanceof HimplosError && error.code === 'bad-artifact';
      if (!isDamage || attempt === ATTEMPTS || signal.aborted) throw error;
      await delay(Math.random() * LONGEST_PAUSE_MS * attempt, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** A version is named after the SHA-256 of its detector, so that is all it takes to verify it. */
async function fetchDetector(
  store: ObjectReader,
  detector: string,
  version: string,
  signal: AbortSignal,
): Promise<DetectorContents> {
  const key = versionKey(detector, version, 'detector.safetensors');
  const { body, sha256 } = await store.get(key, { maxBytes: MAX_DETECTOR_BYTES, signal });
  const digest = sha256 ?? (await sha256Hex(body));
  if (digest !== version) {
    throw badArtifact(
      `${store.address}/${key}: expected SHA-256 ${version.slice(0, 12)}…, got ${digest.slice(0, 12)}…`,
    );
  }
  return decodeDetector(body, { isVerified: true });
}
