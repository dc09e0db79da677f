import { HimplosError } from '../../shared/errors.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { parseS3Address } from '../../shared/store/s3-address.ts';
import { openS3Store } from '../../shared/store/s3-store.ts';
import type { Source } from './contract.ts';
import { isImageName } from './image-names.ts';
import { createImageSource, type Finding, type Walk } from './image-source.ts';
import { openImglist } from './imglist.ts';
import { defaultSourceLimits, type SourceLimits } from './limits.ts';
import { openNpyFeatures } from './npy-features.ts';
import type { SourceOptions } from './open-source.ts';
import { readLines } from './read-lines.ts';
import { downloadObject } from './s3-download.ts';
import { openS3Folder } from './s3-folder.ts';
import { openSafetensorsFeatures } from './safetensors-features.ts';
import { openTar } from './tar-archive.ts';
import { unpackTarStream } from './unpack.ts';

/** Images asked for before they are needed: S3 takes some 30 ms to answer, whatever the size. */
const READ_AHEAD = 32;

/**
 * Opens what an `s3://` address names: an archive, a list or an image by its ending, features (copied to a temporary
 * folder first), anything else as a folder of images or class folders. Archives are streamed and go on where a
 * connection broke; a bounded number of images is asked for at once. Throws what the store and each kind's own module
 * throw, and `not-found` for a folder in which there is nothing.
 */
export async function openS3Source(address: string, options: SourceOptions = {}): Promise<Source> {
  const { signal, s3 } = options;
  const limits = { ...defaultSourceLimits, ...options.limits };
  const call = signal === undefined ? {} : { signal };
  const arrays = /^(.+?\.npy)(?::(.+\.npy))?$/i.exec(address);
  const download = (path: string) => {
    const { store, key } = openParent(path, s3);
    return downloadObject(store, key, call);
  };
  if (arrays !== null) {
    const [, features, labels] = arrays as unknown as [string, string, string | undefined];
    const labelsPath = labels === undefined ? undefined : await download(besideOf(features, labels));
    return openNpyFeatures(address, await download(features), labelsPath, signal);
  }
  if (/\.safetensors$/i.test(address)) return openSafetensorsFeatures(await download(address), signal);
  return createImageSource(address, await openWalk(address, limits, options), limits, signal, READ_AHEAD);
}

async function openWalk(address: string, limits: SourceLimits, { signal, s3 }: SourceOptions): Promise<Walk> {
  const call = signal === undefined ? {} : { signal };
  const isFile = /\.(tar|tar\.gz|tgz|txt)$/i.test(address) || isImageName(address);
  if (!isFile) return openS3Folder(openS3Store(address, s3), limits, call);
  const { store, key } = openParent(address, s3);
  const maxBytes = limits.imageBytes;
  const read = async (path: string) => (await store.get(path, { ...call, maxBytes })).body;
  // Asked for now, so that a wrong address is told before hours of other work.
  if ((await store.head(key, call)) === undefined) {
    throw new HimplosError('not-found', `${address}: there is no such object`, { hint: 'check the address' });
  }
  const chunks = async () => (await store.open(key, call)).chunks;
  if (/\.txt$/i.test(address)) {
    const lines = async function* () {
      yield* readLines(address, await chunks());
    };
    return openImglist(address, limits, { lines, read });
  }
  if (isImageName(address)) return openImage(key, () => read(key));
  return openTar(address, limits, async () => unpackTarStream(address, await chunks(), limits));
}

/** The store that holds an object, and its key there. */
function openParent(
  address: string,
  s3: SourceOptions['s3'],
): { readonly store: ObjectStore; readonly key: string } {
  const { bucket, text } = parseS3Address(address);
  const path = text.slice(`s3://${bucket}/`.length);
  const slash = path.lastIndexOf('/');
  const parent = slash === -1 ? `s3://${bucket}` : `s3://${bucket}/${path.slice(0, slash)}`;
  return { store: openS3Store(parent, s3), key: path.slice(slash + 1) };
}

/** Labels may be named by their own address, or by a name beside the features. */
function besideOf(features: string, labels: string): string {
  return /^s3:/i.test(labels) ? labels : `${features.slice(0, features.lastIndexOf('/') + 1)}${labels}`;
}

/** One image by itself, without a label. */
function openImage(name: string, read: () => Promise<Uint8Array>): Walk {
  return async function* (): AsyncGenerator<Finding> {
    yield { kind: 'image', name, label: undefined, labelFrom: 'folder', read };
  };
}
