import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { isS3Address } from '../../shared/store/s3-address.ts';
import { DetectorCache } from '../runtime/detector-cache.ts';
import { openReader } from '../runtime/open-reader.ts';
import { type ReadReference, referencesBelow, refuseReferences } from './image-references.ts';
import { imageLoader } from './load-image-model.ts';
import { MODEL_FOLDER } from './model-folder.ts';
import { configuration, store } from './store.ts';

/** The detector with its model, which begin to load at once. */
export const cache = new DetectorCache({
  ...configuration,
  openStore: () => store,
  kernel: compileKernel(),
  loadImages: imageLoader(MODEL_FOLDER),
});
cache.start();

/** Addresses of images below `HIMPLOS_IMAGES` (`s3://bucket/prefix`); without that variable, none. */
export const readReference: ReadReference = openReferences(process.env.HIMPLOS_IMAGES);

function openReferences(address: string | undefined): ReadReference {
  if (address === undefined || !isS3Address(address)) return refuseReferences;
  return referencesBelow(openReader({ ...configuration, store: address }));
}
