import { Worker } from 'node:worker_threads';
// Loaded here too, although only the threads use it: its shared libraries have to outlive every thread.
import 'sharp';
import { HimplosError } from '../../shared/errors.ts';
import type { DecodeJob, DecodeResult, PlainError, WorkerSetup } from './decode-worker.ts';
import type { PreparedImage } from './prepare-image.ts';

/** The thread's program: beside this file in the sources, beside the bundle once built. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './decode-worker.ts' : './decode-worker.js',
  import.meta.url,
);

/**
 * Threads that decode and preprocess images. onnxruntime-node runs a model on the calling thread, which therefore
 * does nothing else meanwhile: whatever is to be ready when the model is, has to be with the threads before.
 * Threads start when there is work for them. Close it when done.
 */
export class DecodePool {
  readonly #setup: WorkerSetup;
  readonly #threads: number;
  readonly #workers: DecodeThread[] = [];
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
    return this.#leastBusy().run({ bytes, bounds, spare });
  }

  /** Takes back a tensor, to be used for another image. */
  recycle(tensor: Float32Array<ArrayBuffer>): void {
    this.#spare.push(tensor);
  }

  /** Ends the threads; what they have not finished fails. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #leastBusy(): DecodeThread {
    let idlest = this.#workers[0];
    for (const worker of this.#workers) if (worker.load < idlest!.load) idlest = worker;
    if (idlest !== undefined && (idlest.load === 0 || this.#workers.length === this.#threads)) return idlest;
    const started = new DecodeThread(this.#setup);
    this.#workers.push(started);
    return started;
  }
}

type Prepared = readonly (PreparedImage | HimplosError)[];

/** One thread. It does its jobs in order, so that results need no names. */
class DecodeThread {
  readonly #worker: Worker;
  readonly #waiting: {
    images: number;
    resolve: (images: Prepared) => void;
    reject: (cause: unknown) => void;
  }[] = [];
  /** Why it does no more work. */
  #end: { readonly cause: unknown } | undefined;

  constructor(setup: WorkerSetup) {
    this.#worker = new Worker(WORKER, {
      workerData: setup,
      execArgv: [], // options for this process's own program (--eval, --input-type) are none for the thread's
      // Decoded images die young and are counted by few bytes on the heap: with the default, 5,000 images of 32 × 32
      // leave 100 MB more behind than 1,000 do, with this 35 MB.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.#worker.on('message', (result: DecodeResult) => this.#settle(result));
    this.#worker.on('messageerror', (cause) => this.#fail(cause));
    this.#worker.on('error', (cause) => this.#fail(cause));
    this.#worker.on('exit', (code) =>
      this.#fail(new Error(`a decoding thread ended with exit code ${code}`)),
    );
  }

  /** Images given and not yet prepared. */
  get load(): number {
    return this.#waiting.reduce((total, { images }) => total + images, 0);
  }

  run(job: DecodeJob): Promise<Prepared> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end.cause);
      this.#waiting.push({ images: job.bounds.length - 1, resolve, reject });
      this.#worker.postMessage(job, [
        job.bytes.buffer as ArrayBuffer,
        ...job.spare.map(({ buffer }) => buffer),
      ]);
    });
  }

  async close(): Promise<void> {
    this.#fail(
      new HimplosError('interrupted', 'decoding was stopped before its end', { hint: 'run it again' }),
    );
    await this.#worker.terminate();
  }

  #settle(result: DecodeResult): void {
    const job = this.#waiting.shift();
    if (result.kind === 'bug') job?.reject(result.cause);
    else job?.resolve(result.images.map((image) => ('code' in image ? revive(image) : image)));
  }

  #fail(cause: unknown): void {
    this.#end ??= { cause };
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end.cause);
  }
}

function revive({ code, message, hint }: PlainError): HimplosError {
  return new HimplosError(code, message, hint === undefined ? {} : { hint });
}
