import { setTimeout as delay } from 'node:timers/promises';
import { HimplosError } from '../../shared/errors.ts';
import type { KernelModule } from '../../shared/kernel/kernel-module.ts';
import {
  type ChannelAddress,
  type ChannelState,
  readChannel,
  readChannelIfChanged,
} from '../../shared/store/channels.ts';
import type { ObjectReader } from '../../shared/store/object-store.ts';
import type { DetectorSource, ServingDetector } from '../http/service.ts';
import { type LoadImages, loadServing } from './load-serving.ts';

export interface CacheOptions extends ChannelAddress {
  readonly openStore: () => ObjectReader;
  readonly kernel: Promise<KernelModule | undefined>;
  readonly refreshMs: number;
  readonly maxStaleMs: number;
  readonly loadTimeoutMs: number;
  /** Loads the version's image model, where images are scored. */
  readonly loadImages?: LoadImages;
}

/** Awaited at most for news of the channel, after an answer is ready. */
const CHECK_WAIT_MS = 50;
/** Awaited at most while a new version loads: one request a container is that much slower when a channel moves. */
const SWAP_WAIT_MS = 2000;
/** Left to the function for its answer when loading has used up the rest. */
const ANSWER_MS = 300;

/**
 * The version a channel points to, loaded once and looked after: whoever asks gets a whole, verified version or an
 * error, never a mixture. See rationale.md for the rules and why.
 */
export class DetectorCache implements DetectorSource {
  /** Told about every failed look at the store while an older version goes on serving. */
  onRefreshFailure: (error: unknown) => void = () => undefined;
  readonly #options: CacheOptions;
  #store: ObjectReader | undefined;
  #current: { readonly serving: ServingDetector; readonly state: ChannelState } | undefined;
  #loading: Promise<void> | undefined;
  #check: { readonly done: Promise<void>; readonly abort: AbortController; isLoading: boolean } | undefined;
  #checkedAtMs = 0;
  /** What is left to the invocation; set by the handler at its start. */
  #remainingMs = () => Number.POSITIVE_INFINITY;

  constructor(options: CacheOptions) {
    this.#options = options;
  }

  /** Starts loading, so that it overlaps with whatever else starts up. A failure shows in the first request. */
  start(): void {
    this.#loadFirst().catch(() => undefined);
  }

  /** Binds the time that the current invocation has left. */
  bindInvocation(remainingMs: () => number): void {
    this.#remainingMs = remainingMs;
  }

  async acquire(): Promise<ServingDetector> {
    if (this.#current === undefined) await this.#loadFirst();
    const { serving } = this.#current!;
    const now = Date.now();
    if (now - serving.confirmedAtMs > this.#options.maxStaleMs) return this.#requireFresh();
    if (now - this.#checkedAtMs >= this.#options.refreshMs && this.#check === undefined) this.#beginCheck();
    return serving;
  }

  /**
   * Ends an invocation: waits a moment for news that are under way and aborts them after that, so that nothing goes
   * on while the container is frozen.
   */
  async settle(): Promise<void> {
    const check = this.#check;
    if (check === undefined) return;
    await within(check.done, Math.min(CHECK_WAIT_MS, this.#remainingMs() - ANSWER_MS));
    if (check.isLoading) await within(check.done, Math.min(SWAP_WAIT_MS, this.#remainingMs() - ANSWER_MS));
    check.abort.abort();
    await check.done;
  }

  /** Does what the current version has left for later (`FeatureScorer.finish`). */
  finish(): void {
    this.#current?.serving.scorer.finish?.();
  }

  /** The first version; several callers share one attempt. */
  #loadFirst(): Promise<void> {
    this.#loading ??= this.#load(this.#loadSignal()).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { detector, channel } = this.#options;
    try {
      // Nothing is awaited before the request is out: at start-up, awaiting would mean after all modules are loaded.
      const store = this.#openStore();
      const state = await readChannel(store, this.#options, { signal });
      if (state === undefined) {
        throw new HimplosError('not-found', `${detector} has no channel ${channel} in ${store.address}`, {
          hint: 'promote a version to it: himplos promote',
        });
      }
      this.#current = { serving: await loadServing(store, detector, state, this.#options, signal), state };
      this.#checkedAtMs = Date.now();
    } catch (error) {
      throw notReady(error);
    }
  }

  #beginCheck(): void {
    const abort = new AbortController();
    const check = { abort, isLoading: false, done: Promise.resolve() };
    this.#check = check;
    this.#checkedAtMs = Date.now();
    check.done = this.#revalidate(abort.signal, () => {
      check.isLoading = true;
    })
      .catch((error: unknown) => this.onRefreshFailure(error))
      .finally(() => {
        this.#check = undefined;
      });
  }

  /** Confirms the current version, or replaces it in one assignment once its successor is whole. */
  async #revalidate(signal: AbortSignal, onChange: () => void): Promise<void> {
    const { detector } = this.#options;
    const { serving, state } = this.#current!;
    const store = this.#openStore();
    const news = await readChannelIfChanged(store, this.#options, state, { signal });
    const confirmed = { ...serving, confirmedAtMs: Date.now() };
    if (news === undefined || news.document.version === serving.version) {
      this.#current = { serving: confirmed, state: news ?? state };
      return;
    }
    onChange();
    this.#current = { serving: await loadServing(store, detector, news, this.#options, signal), state: news };
  }

  /** Past the longest staleness nothing is served that the store has not just confirmed. */
  async #requireFresh(): Promise<ServingDetector> {
    if (this.#check === undefined) this.#beginCheck();
    const check = this.#check!;
    const isDone = await within(
      check.done,
      Math.min(this.#options.loadTimeoutMs, this.#remainingMs() - ANSWER_MS),
    );
    if (!isDone) {
      check.abort.abort();
      await check.done;
    }
    const { serving } = this.#current!;
    if (Date.now() - serving.confirmedAtMs <= this.#options.maxStaleMs) return serving;
    const hours = (this.#options.maxStaleMs / 3_600_000).toFixed(1);
    throw new HimplosError('unavailable', `the store has not confirmed the detector for ${hours} hours`, {
      hint: 'the store cannot be reached: see the function’s logs',
    });
  }

  #openStore(): ObjectReader {
    this.#store ??= this.#options.openStore();
    return this.#store;
  }

  #loadSignal(): AbortSignal {
    const left = Math.min(this.#options.loadTimeoutMs, this.#remainingMs() - ANSWER_MS);
    return AbortSignal.timeout(Math.max(1, Math.floor(left)));
  }
}

/** Waits for a promise that never rejects, at most so long; resolves to whether it is done. */
async function within(done: Promise<void>, milliseconds: number): Promise<boolean> {
  const timer = new AbortController();
  const isDone = await Promise.race([
    done.then(() => true),
    delay(Math.max(0, milliseconds), false, { signal: timer.signal }).catch(() => false),
  ]);
  timer.abort();
  return isDone;
}

/** To a caller, every reason why there is no first version is the server's: 503, with the reason kept. */
function notReady(error: unknown): unknown {
  if (!(error instanceof HimplosError)) return error;
  return new HimplosError('unavailable', `no detector can be served: ${error.message}`, {
    ...(error.hint !== undefined && { hint: error.hint }),
    cause: error,
  });
}
