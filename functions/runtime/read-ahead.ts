import { channelKey, MAX_CHANNEL_BYTES } from '../../shared/store/channel-key.ts';
import type { ObjectReader, OnPart, StoredObject } from '../../shared/store/object-store.ts';
import { type VersionFile, versionKey } from '../../shared/store/version-keys.ts';

/** What a function loads at most: a head of 32,768 × 2,048 with prototypes; banks of features have no place there. */
export const MAX_DETECTOR_BYTES = 512 * 1024 * 1024;

interface EarlyRequest {
  readonly object: Promise<StoredObject>;
  readonly abort: AbortController;
  /** Tells somebody about the parts of the body from now on, and of what is there. */
  listen(onPart: OnPart | undefined): void;
}

/**
 * A reader that has already asked for what a function reads first: the channel, and then files of the version that it
 * seems to name. Nothing is trusted here, only fetched: whoever reads an object decides about it. Each is handed out once; the
 * first read of anything else drops what is left, and goes to the store as all later ones do.
 */
export function readAhead(
  reader: ObjectReader,
  address: { readonly detector: string; readonly channel: string },
  files: readonly VersionFile[] = ['detector.safetensors'],
): ObjectReader {
  const early = new Map<string, EarlyRequest>();

  function request(key: string, maxBytes: number): Promise<StoredObject> {
    const abort = new AbortController();
    let last: Parameters<OnPart> | undefined;
    let listener: OnPart | undefined;
    const onPart: OnPart = (...part) => {
      last = part;
      listener?.(...part);
    };
    const object = reader.get(key, { maxBytes, signal: abort.signal, onPart });
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
    for (const file of files) {
      const maxBytes = file === 'detector.safetensors' ? MAX_DETECTOR_BYTES : MAX_CHANNEL_BYTES;
      request(versionKey(address.detector, String(version), file), maxBytes);
    }
  }
  // Whoever reads the channel hears what is wrong, a name that cannot be one included.
  begin().catch(() => undefined);

  return {
    address: reader.address,
    get: (key, options) => {
      const started = early.get(key);
      if (started === undefined) {
        for (const { abort } of early.values()) abort.abort();
        early.clear();
        return reader.get(key, options);
      }
      early.delete(key);
      const { signal } = options;
      const stop = () => started.abort.abort(signal?.reason);
      if (signal?.aborted) stop();
      signal?.addEventListener('abort', stop);
      started.listen(options.onPart);
      return started.object.finally(() => signal?.removeEventListener('abort', stop));
    },
    getIfChanged: (key, etag, options) => reader.getIfChanged(key, etag, options),
  };
}
