import { HimplosError } from '../../shared/errors.ts';
import { ImageThread, type Prepared } from './image-thread.ts';
import type { ImageSetup, ModelJob } from './image-worker.ts';

/**
 * Threads of pools that were closed, for the next one: starting one takes 75 ms of processor time, as long as 40
 * photographs, and a model besides. They do not keep the process alive.
 */
const idle: ImageThread[] = [];

/**
 * Threads that decode and preprocess images, and run a model on them where there is one: each thread has a session of
 * its own then, so that threads never wait for each other as those of one session do after every layer.
 * Threads start when there is work for them. Close it when done.
 */
export class ImagePool {
  readonly #setup: ImageSetup;
  readonly #threads: number;
  readonly #model: ModelJob | undefined;
  readonly #own: ImageThread[] = [];
  #isClosed = false;

  /** @param model makes features of the images; without it their input is the result */
  constructor(setup: ImageSetup, threads: number, model?: ModelJob) {
    this.#setup = setup;
    this.#threads = threads;
    this.#model = model;
  }

  /** A batch of encoded images, done by the least busy thread. Rejects as {@link ImageThread.run}. */
  async prepare(images: readonly Uint8Array[]): Promise<Prepared> {
    // A source may give one more when nobody waits any longer: no thread is started for that.
    if (this.#isClosed) throw new HimplosError('interrupted', 'work on images was stopped');
    const bounds = [0];
    for (const image of images) bounds.push(bounds.at(-1)! + image.length);
    const bytes = new Uint8Array(bounds.at(-1)!);
    images.forEach((image, i) => {
      bytes.set(image, bounds[i]);
    });
    const wanted = this.#model === undefined ? 'input' : 'features';
    return this.#leastBusy().run({ kind: 'prepare', setup: this.#setup, bytes, bounds, wanted });
  }

  /** Lets the threads go; what they have not finished fails, and those still at work end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      this.#own.splice(0).map((thread) => {
        if (thread.load > 0 || thread.hasEnded) return thread.end();
        thread.unref();
        idle.push(thread);
        return undefined;
      }),
    );
  }

  #leastBusy(): ImageThread {
    let idlest = this.#own[0];
    for (const thread of this.#own) if (thread.load < idlest!.load) idlest = thread;
    if (idlest !== undefined && (idlest.load === 0 || this.#own.length === this.#threads)) return idlest;
    const added = takeIdle() ?? new ImageThread();
    if (this.#model !== undefined) added.open(this.#model);
    this.#own.push(added);
    return added;
  }
}

function takeIdle(): ImageThread | undefined {
  for (let thread = idle.pop(); thread !== undefined; thread = idle.pop()) {
    if (thread.hasEnded) continue;
    thread.ref();
    return thread;
  }
  return undefined;
}
