import { HimplosError } from '../../shared/errors.ts';
import { allocateForKernel } from '../../shared/kernel/kernel-memory.ts';
import { channelKey, MAX_CHANNEL_BYTES } from '../../shared/store/channel-key.ts';
import type { Allocate, ObjectReader, OnPart, StoredObject } from '../../shared/store/object-store.ts';
import { type VersionFile, versionKey } from '../../shared/store/version-keys.ts';

/** What a function loads at most: a head of 32,768 × 2,048 with prototypes; banks of features have no place there. */
export const MAX_DETECTOR_BYTES = 512 * 1024 * 1024;

/** A file of the version, to be asked for before anybody reads it. */
export interface FileAhead {
  readonly file: VersionFile;
  readonly maxBytes: number;
  /** As `GetOptions` has it. */
  readonly allocate?: Allocate;
  /** What its content, which nobody has verified, leads to. May throw. */
  readonly follow?: (body: Uint8Array) => readonly FileAhead[];
}

export const DETECTOR_AHEAD: FileAhead = {
  file: 'detector.safetensors',
  maxBytes: MAX_DETECTOR_BYTES,
  allocate: allocateForKernel,
};

interface EarlyRequest {
  readonly object: Promise<StoredObject>;
  readonly abort: AbortController;
  /** Tells somebody about the parts of the body from now on, and of what is there. */
  listen(onPart: OnPart | undefined): void;
}

/**
 * A reader that has already asked for what a function reads first: the channel, and then files of the version that it
 * seems to name. Nothing is trusted here, only fetched: whoever reads an object decides about it. Each is handed out once;
 * the first read of anything else, or one that is aborted, drops what is left, and all later ones go to the store.
 */
export function readAhead(
  reader: ObjectReader,
  address: { readonly detector: string; readonly channel: string },
  files: readonly FileAhead[] = [DETECTOR_AHEAD],
): ObjectReader {
  const early = new Map<string, EarlyRequest>();

  function request(key: string, maxBytes: number, allocate?: Allocate): Promise<StoredObject> {
    const abort = new AbortController();
    let last: Parameters<OnPart> | undefined;
    let listener: OnPart | undefined;
    const onPart: OnPart = (...part) => {
      last = part;
      listener?.(...part);
    };
    const object = reader.get(key, {
      maxBytes,
      signal: abort.signal,
      onPart,
      ...(allocate !== undefined && { allocate }),
    });
    // A failure shows where it is read.
    object.catch(() => undefined);
    const listen = (given: OnPart | undefined) => {
      listener = given;
      if (last !== undefined) given?.(...last);
    };
    early.set(key, { object, abort, listen });
    return object;
  }

  async function begin(): Promise<void> {
    const { body } = await request(channelKey(address), MAX_CHANNEL_BYTES);
    const { version } = JSON.parse(new TextDecoder().decode(body));
    requestFiles(String(version), files);
  }

  function requestFiles(version: string, wanted: readonly FileAhead[]): void {
    for (const { file, maxBytes, allocate, follow } of wanted) {
      const object = request(versionKey(address.detector, version, file), maxBytes, allocate);
      if (follow === undefined) continue;
      object.then(({ body }) => requestFiles(version, follow(body))).catch(() => undefined);
    }
  }
  // Whoever reads the channel hears what is wrong, a name that cannot be one included.
  begin().catch(() => undefined);

  /** Whoever gives up, or goes another way, wants nothing of the rest. */
  function drop(): void {
    for (const { abort } of early.values()) abort.abort();
    early.clear();
  }

  return {
    address: reader.address,
    get: (key, options) => {
      const started = early.get(key);
      if (started === undefined) {
        drop();
        return reader.get(key, options);
      }
      early.delete(key);
      const { signal, maxBytes } = options;
      const stop = () => {
        started.abort.abort(signal?.reason);
        drop();
      };
      if (signal?.aborted) stop();
      signal?.addEventListener('abort', stop);
      started.listen(options.onPart);
      return started.object
        .then((object) => {
          if (object.body.length <= maxBytes) return object;
          const got = object.body.length;
          throw new HimplosError('too-large', `${key}: expected at most ${maxBytes} bytes, got ${got}`);
        })
        .finally(() => signal?.removeEventListener('abort', stop));
    },
    getIfChanged: (key, etag, options) => reader.getIfChanged(key, etag, options),
  };
}
