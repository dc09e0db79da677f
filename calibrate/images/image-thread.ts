import { Worker } from 'node:worker_threads';
// Loaded here too, although only the threads use it: its shared libraries have to outlive every thread.
import 'sharp';
import { HimplosError } from '../../shared/errors.ts';
import type { EndJob, ImageJob, ImageResult, ModelJob, PlainError } from './image-worker.ts';
import type { PreparedImage } from './prepare-image.ts';

/** The thread's program: beside this file in the sources, beside the bundle once built. */
const PROGRAM = new URL(
  import.meta.url.endsWith('.ts') ? './image-worker.ts' : './image-worker.js',
  import.meta.url,
);

/** A batch that went through a thread. */
export interface Prepared {
  /** In the order of the job: what became of each image, or what is wrong with it. */
  readonly images: readonly (PreparedImage | HimplosError)[];
  /** Input or features of the good ones, a row each; none where their sizes differ. */
  readonly values: Float32Array<ArrayBuffer>;
}

/** A thread for images. It does its jobs in order, so that results need no names. */
export class ImageThread {
  readonly #worker: Worker;
  readonly #waiting: {
    readonly images: number;
    readonly resolve: (batch: Prepared) => void;
    readonly reject: (cause: unknown) => void;
  }[] = [];
  /** What it has open. */
  #model: ModelJob | undefined;
  /** Settles when the thread is no more. */
  readonly #gone: Promise<void>;
  /** Why it does no more work. */
  #end: { readonly cause: unknown } | undefined;

  constructor() {
    this.#worker = new Worker(PROGRAM, {
      execArgv: [], // options for this process's own program (--eval, --input-type) are none for the thread's
      // Decoded images are counted by few bytes on the heap, so that with the defaults many dead ones wait to be
      // collected: 5,000 images of 32 × 32 leave 100 MB more behind than 1,000 do; with a small young generation 35 MB,
      // with a bounded old one as well 7 MB. Pixels lie outside the heap: 64 megapixels pass with 16 MB for the old one.
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 },
    });
    this.#worker.on('message', (result: ImageResult) => this.#settle(result));
    this.#worker.on('messageerror', (cause) => this.#fail(cause));
    this.#worker.on('error', (cause) => this.#fail(cause));
    this.#gone = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#fail(new Error(`a thread for images ended with exit code ${code}`));
        resolve();
      });
    });
  }

  /** Images given and not yet prepared. */
  get load(): number {
    return this.#waiting.reduce((total, { images }) => total + images, 0);
  }

  /** Whether it will do no more work. */
  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Has a model ready for the jobs that come after; what is wrong with it, they say. */
  open(job: ModelJob): void {
    const isOpen = this.#model?.model === job.model && this.#model.threads === job.threads;
    if (this.#end !== undefined || isOpen) return;
    this.#model = job;
    this.#worker.postMessage(job);
  }

  /**
   * Prepares a job's images. Its bytes move to the thread. Rejects with what the model makes of the batch, with
   * `interrupted` when the thread is ended, and with a bug's own error.
   */
  run(job: ImageJob): Promise<Prepared> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end.cause);
      this.#waiting.push({ images: job.bounds.length - 1, resolve, reject });
      this.#worker.postMessage(job, [job.bytes.buffer as ArrayBuffer]);
    });
  }

  /** Keeps the process alive. */
  ref(): void {
    this.#worker.ref();
  }

  /** Does not keep the process alive. */
  unref(): void {
    this.#worker.unref();
  }

  /**
   * Ends the thread; jobs not done fail. It is asked to end, not terminated: onnxruntime aborts the whole process when
   * one of its calls comes back to a thread that may run no more JavaScript. So a batch on the model is waited for.
   */
  async end(): Promise<void> {
    this.#fail(new HimplosError('interrupted', 'work on images was stopped', { hint: 'run it again' }));
    this.#worker.ref();
    this.#worker.postMessage({ kind: 'end' } satisfies EndJob);
    await this.#gone;
  }

  #settle(result: ImageResult): void {
    const job = this.#waiting.shift();
    if (result.kind === 'bug') job?.reject(result.cause);
    else if (result.kind === 'failed') job?.reject(revive(result.error));
    else {
      const images = result.images.map((image) => ('code' in image ? revive(image) : image));
      job?.resolve({ images, values: result.values });
    }
  }

  #fail(cause: unknown): void {
    this.#end ??= { cause };
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end.cause);
  }
}

function revive({ code, message, hint }: PlainError): HimplosError {
  return new HimplosError(code, message, hint === undefined ? {} : { hint });
}
