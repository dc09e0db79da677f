import type { Readable } from 'node:stream';
import { HimplosError } from '../../shared/errors.ts';
import { isIgnoredName, isImageName } from './image-names.ts';
import type { Finding, Walk } from './image-source.ts';
import type { SourceLimits } from './limits.ts';
import { type TarEntry, tarEntries } from './tar-entries.ts';
import { unpackTar } from './unpack.ts';

/** A `.cls` file holds a class name or number. */
const MAX_CLS_BYTES = 1024;

/**
 * A `.tar` or `.tar.gz` of images, streamed in the order of the archive. The class of an image is the folder it
 * stands in (none at the top), or, in a WebDataset shard, the text of the file beside it that differs in the
 * ending only: `0001.jpg` and `0001.cls`, next to each other in either order. Throws as {@link tarEntries}, and
 * `bad-input` when some images have a `.cls` and others none.
 * @param unpack gives the unpacked archive, for archives that are not files
 */
export function openTar(
  address: string,
  limits: SourceLimits,
  unpack: () => Promise<Readable> = () => unpackTar(address, limits),
): Walk {
  return (wantBytes) => walk(address, wantBytes, limits, unpack);
}

async function* walk(
  address: string,
  wantBytes: boolean,
  limits: SourceLimits,
  unpack: () => Promise<Readable>,
): AsyncGenerator<Finding> {
  const pairs = new Pairs(address, limits.classes);
  const bytes = await unpack();
  for await (const entry of tarEntries(address, bytes, limits)) {
    const { folders, name } = splitPath(entry.path);
    const isHidden = folders.some(isIgnoredName) || isIgnoredName(name);
    if (entry.isFolder) {
      if (!isHidden) pairs.folder(entry.path);
    } else if (isHidden) {
      yield { kind: 'ignored' };
    } else if (isImageName(name)) {
      // Now or never: the archive moves on.
      const bytes = wantBytes ? await entry.read() : new Uint8Array(0);
      yield* pairs.image(entry.path, folders, bytes);
    } else if (name.endsWith('.cls')) {
      yield* pairs.label(entry.path, await readLabel(address, entry));
    } else {
      yield { kind: 'ignored' };
    }
  }
  yield* pairs.end();
}

function splitPath(path: string): { folders: readonly string[]; name: string } {
  const folders = path.split('/');
  const name = folders.pop()!;
  return { folders, name };
}

async function readLabel(address: string, entry: TarEntry): Promise<string> {
  const bytes = await entry.read();
  const text = bytes.length > MAX_CLS_BYTES ? '' : new TextDecoder().decode(bytes).trim();
  if (text !== '') return text;
  throw new HimplosError(
    'bad-input',
    `${address}: ${entry.path}: expected a class of 1 to ${MAX_CLS_BYTES} bytes, got ${bytes.length}`,
    { hint: 'a .cls file holds the class as text' },
  );
}

/** Joins images with the `.cls` beside them. At most one image waits: for the entry after it. */
class Pairs {
  readonly #address: string;
  readonly #maxFolders: number;
  /** Folders with an entry of their own; false once something stands in them. */
  readonly #folders = new Map<string, boolean>();
  #waiting: { path: string; stem: string; folder: string | undefined; bytes: Uint8Array } | undefined;
  #cls: { stem: string; text: string } | undefined;
  #withText = 0;
  #withoutText: string | undefined;

  constructor(address: string, maxFolders: number) {
    this.#address = address;
    this.#maxFolders = maxFolders;
  }

  folder(path: string): void {
    if (!this.#folders.has(path)) this.#folders.set(path, true);
    this.#fill(path);
    if (this.#folders.size > this.#maxFolders) {
      throw new HimplosError('too-large', `${this.#address}: more than ${this.#maxFolders} folders`, {
        hint: 'split it into several archives',
      });
    }
  }

  *image(path: string, folders: readonly string[], bytes: Uint8Array): Generator<Finding> {
    yield* this.#release(undefined);
    const stem = stemOf(path);
    this.#fill(path);
    this.#waiting = { path, stem, folder: folders.at(-1), bytes };
    if (this.#cls?.stem === stem) yield* this.#release(this.#cls.text);
  }

  *label(path: string, text: string): Generator<Finding> {
    const stem = stemOf(path);
    this.#cls = { stem, text };
    yield* this.#release(this.#waiting?.stem === stem ? text : undefined);
    yield { kind: 'ignored' };
  }

  *end(): Generator<Finding> {
    yield* this.#release(undefined);
    for (const [path, isEmpty] of this.#folders) {
      // Beside .cls files folders are mere storage.
      if (isEmpty && this.#withText === 0) yield { kind: 'folder', label: splitPath(path).name };
    }
  }

  *#release(text: string | undefined): Generator<Finding> {
    const image = this.#waiting;
    if (image === undefined) return;
    this.#waiting = undefined;
    if (text === undefined) this.#withoutText ??= image.path;
    else this.#withText++;
    if (this.#withText > 0 && this.#withoutText !== undefined) {
      throw new HimplosError(
        'bad-input',
        `${this.#address}: ${this.#withoutText} has no .cls file beside it, other images have one`,
        { hint: 'an image and its .cls differ in the ending only and stand next to each other' },
      );
    }
    yield {
      kind: 'image',
      name: image.path,
      label: text ?? image.folder,
      labelFrom: text === undefined ? 'folder' : 'text',
      read: async () => image.bytes,
    };
  }

  /** The folders above something are not empty. */
  #fill(path: string): void {
    const slash = path.lastIndexOf('/');
    if (slash === -1) return;
    const above = path.slice(0, slash);
    if (this.#folders.get(above)) this.#folders.set(above, false);
    this.#fill(above);
  }
}

function stemOf(path: string): string {
  return path.slice(0, path.lastIndexOf('.'));
}
