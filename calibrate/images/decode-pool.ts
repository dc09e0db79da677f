import { DecodeThread, type Prepared } from './decode-thread.ts';
import type { WorkerSetup } from './decode-worker.ts';

/**
 * Threads of pools that were closed, for the next one: starting one takes 75 ms of processor time, as long as 40
 * photographs. They do not keep the process alive.
 */
const idle: DecodeThread[] = [];

/**
 * Threads that decode and preprocess images. onnxruntime-node runs a model on the calling thread, which therefore
 * does nothing else meanwhile: whatever is to be ready when the model is, has to be with the threads before.
 * Threads start when there is work for them. Close it when done.
 */
export class DecodePool {
  readonly #setup: WorkerSetup;
  readonly #threads: number;
  readonly #own: DecodeThread[] = [];
  readonly #spare: Float32Array<ArrayBuffer>[] = [];

  constructor(setup: WorkerSetup, threads: number) {
    this.#setup = setup;
    this.#threads = threads;
  }

  /**
   * Prepares some images on the least busy thread.
   * @returns one entry an image, in order: the prepared image, or what is wrong with it
   */
  prepare(images: readonly Uint8Array[]): Promise<Prepared> {
    const bounds = [0];
    for (const image of images) bounds.push(bounds.at(-1)! + image.length);
    const bytes = new Uint8Array(bounds.at(-1)!);
    images.forEach((image, i) => {
      bytes.set(image, bounds[i]);
    });
    const spare = this.#spare.splice(0, images.length);
    return this.#leastBusy().run({ setup: this.#setup, bytes, bounds, spare });
  }

  /** Takes back a tensor, to be used for another image. */
  recycle(tensor: Float32Array<ArrayBuffer>): void {
    this.#spare.push(tensor);
  }

  /** Lets the threads go; what they have not finished fails, and those still at work end. */
  async close(): Promise<void> {
    await Promise.all(
      this.#own.splice(0).map((thread) => {
        if (thread.load > 0 || thread.hasEnded) return thread.end();
        thread.unref();
        idle.push(thread);
        return undefined;
      }),
    );
  }

  #leastBusy(): DecodeThread {
    let idlest = this.#own[0];
    for (const thread of this.#own) if (thread.load < idlest!.load) idlest = thread;
    if (idlest !== undefined && (idlest.load === 0 || this.#own.length === this.#threads)) return idlest;
    const added = takeIdle() ?? new DecodeThread();
    this.#own.push(added);
    return added;
  }
}

function takeIdle(): DecodeThread | undefined {
  for (let thread = idle.pop(); thread !== undefined; thread = idle.pop()) {
    if (thread.hasEnded) continue;
    thread.ref();
    return thread;
  }
  return undefined;
}
