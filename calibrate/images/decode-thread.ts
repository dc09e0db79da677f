import { Worker } from 'node:worker_threads';
// Loaded here too, although only the threads use it: its shared libraries have to outlive every thread.
import 'sharp';
import { HimplosError } from '../../shared/errors.ts';
import type { DecodeJob, DecodeResult, PlainError } from './decode-worker.ts';
import type { PreparedImage } from './prepare-image.ts';

/** The thread's program: beside this file in the sources, beside the bundle once built. */
const PROGRAM = new URL(
  import.meta.url.endsWith('.ts') ? './decode-worker.ts' : './decode-worker.js',
  import.meta.url,
);

/** Images in the order of the job: prepared, or what is wrong with them. */
export type Prepared = readonly (PreparedImage | HimplosError)[];

/** One decoding thread. It does its jobs in order, so that results need no names. */
export class DecodeThread {
  readonly #worker: Worker;
  readonly #waiting: {
    readonly images: number;
    readonly resolve: (images: Prepared) => void;
    readonly reject: (cause: unknown) => void;
  }[] = [];
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

  /** Whether it will do no more work. */
  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Prepares a job's images. Its buffers move to the thread. Rejects with a bug's own error. */
  run(job: DecodeJob): Promise<Prepared> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(this.#end.cause);
      this.#waiting.push({ images: job.bounds.length - 1, resolve, reject });
      const buffers = [job.bytes, ...job.spare].map(({ buffer }) => buffer as ArrayBuffer);
      this.#worker.postMessage(job, buffers);
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

  /** Ends the thread; jobs not done fail. */
  async end(): Promise<void> {
    this.#fail(new HimplosError('interrupted', 'decoding was stopped', { hint: 'run it again' }));
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
