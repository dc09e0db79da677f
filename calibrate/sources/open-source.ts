import { stat } from 'node:fs/promises';
import { HimplosError } from '../../shared/errors.ts';
import { isS3Address } from '../../shared/store/s3-address.ts';
import type { S3Options } from '../../shared/store/s3-client.ts';
import { openClassFolders } from './class-folders.ts';
import type { Source } from './contract.ts';
import { explainFileError } from './file-error.ts';
import { isImageName } from './image-names.ts';
import { createImageSource, type Finding, type Walk } from './image-source.ts';
import { openImglist } from './imglist.ts';
import { joinSources } from './join-sources.ts';
import { defaultSourceLimits, type SourceLimits } from './limits.ts';
import { openNpyFeatures } from './npy-features.ts';
import { readBoundedFile } from './read-file.ts';
import { openSafetensorsFeatures } from './safetensors-features.ts';
import { openTar } from './tar-archive.ts';

export interface SourceOptions {
  /** Bounds that differ from {@link defaultSourceLimits}. */
  readonly limits?: Partial<SourceLimits>;
  /** Ends every iteration over the source, with `interrupted`. */
  readonly signal?: AbortSignal | undefined;
  /** How to reach S3, where that does not follow from the environment. */
  readonly s3?: S3Options;
}

/**
 * Opens what a user names as a source: a folder of class folders or of images, an image, `.tar`, `.tar.gz`,
 * `.tgz`, an imglist `.txt`, `features.npy[:labels.npy]`, or `.safetensors`; or the `s3://` address of one of them.
 * Throws `not-found`, `unavailable`, `bad-usage` for a kind of file that is no source, and what the kind's own
 * module says.
 */
export async function openSource(address: string, options: SourceOptions = {}): Promise<Source> {
  if (isS3Address(address)) return (await import('./s3-source.ts')).openS3Source(address, options);
  const { signal } = options;
  const arrays = /^(.+?\.npy)(?::(.+\.npy))?$/i.exec(address);
  if (arrays !== null) return openNpyFeatures(address, arrays[1]!, arrays[2], signal);
  if (/\.safetensors$/i.test(address)) return openSafetensorsFeatures(address, signal);
  const limits = { ...defaultSourceLimits, ...options.limits };
  return createImageSource(address, await openWalk(address, limits), limits, signal);
}

/**
 * Opens every source given for one role and joins them as {@link joinSources} does. Throws as it and
 * {@link openSource} do.
 */
export async function openSources(
  addresses: readonly string[],
  options: SourceOptions = {},
): Promise<Source> {
  const sources: Source[] = [];
  for (const address of addresses) sources.push(await openSource(address, options));
  return joinSources(sources);
}

async function openWalk(address: string, limits: SourceLimits): Promise<Walk> {
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(address)) {
    throw new HimplosError('unsupported', `${address}: expected a path or s3://bucket/key`, {
      hint: 'download it first',
    });
  }
  const isFolder = await stat(address).then(
    (stats) => stats.isDirectory(),
    (cause: unknown) => Promise.reject(explainFileError(cause, address)),
  );
  if (isFolder) return openClassFolders(address, limits);
  if (/\.(tar|tar\.gz|tgz)$/i.test(address)) return openTar(address, limits);
  if (/\.txt$/i.test(address)) return openImglist(address, limits);
  if (isImageName(address)) return openImage(address, limits);
  throw new HimplosError('bad-usage', `${address}: not a kind of source that is known`, {
    hint: 'expected a folder, .tar, .tar.gz, .tgz, .txt (imglist), .npy, .safetensors or an image',
  });
}

/** One image by itself, without a label. */
function openImage(address: string, limits: SourceLimits): Walk {
  return async function* (): AsyncGenerator<Finding> {
    yield {
      kind: 'image',
      name: address,
      label: undefined,
      labelFrom: 'folder',
      read: () => readBoundedFile(address, limits.imageBytes),
    };
  };
}
