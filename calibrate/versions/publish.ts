import { decodeDetector } from '../../shared/artifact/detector.ts';
import type { DetectorDocument } from '../../shared/artifact/detector-document.ts';
import {
  DEFAULT_MAX_DETECTOR_BYTES,
  loadArtifactFile,
  loadManifest,
} from '../../shared/artifact/load-detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import { countBytes } from '../../shared/formats/element-types.ts';
import { artifactFileBody, openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { writeVersion } from '../../shared/store/versions.ts';

/** Banks above this are published only when asked for: functions would have to load them. */
export const MAX_BANK_BYTES = 64 * 1024 * 1024;

/**
 * Puts the detector in a folder (what `himplos calibrate` wrote) into a store, under the name `detector`. The folder is
 * read and checked before anything is written, and every file again on its way. Resolves to its version, and whether it
 * is new there. Throws `bad-artifact` for a damaged folder, `too-large` for a bank of features without `withBank`, and
 * as `writeVersion`.
 */
export async function publishFolder(
  folder: string,
  store: ObjectStore,
  detector: string,
  options: CallOptions & { readonly withBank?: boolean } = {},
): Promise<{ readonly version: string; readonly isNew: boolean }> {
  const reader = openArtifactFolder(folder);
  const manifest = await loadManifest(reader);
  const bytes = await loadArtifactFile(reader, manifest, 'detector.safetensors', DEFAULT_MAX_DETECTOR_BYTES);
  const { document } = await decodeDetector(bytes);
  if (options.withBank !== true) refuseBank(document);
  const bodyOf = (name: (typeof manifest.files)[number]['name']) => {
    const entry = manifest.files.find((file) => file.name === name)!;
    return name === 'detector.safetensors' ? bytes : artifactFileBody(folder, entry);
  };
  const { isNew } = await writeVersion(store, detector, manifest, bodyOf, options);
  return { version: manifest.version, isNew };
}

/** Banks have a row a training sample; everything else has a row a class or a channel. */
function refuseBank({ tensors, classes, width, threshold }: DetectorDocument): void {
  const known = new Set([classes, width, threshold.calibrationScores]);
  for (const [name, { dtype, shape }] of Object.entries(tensors)) {
    const bytes = countBytes(dtype, shape) ?? Number.POSITIVE_INFINITY;
    if (bytes <= MAX_BANK_BYTES || shape.length < 2 || known.has(shape[0]!)) continue;
    throw new HimplosError(
      'too-large',
      `${name} is a bank of features of ${Math.round(bytes / 2 ** 20)} MiB, at most ${MAX_BANK_BYTES / 2 ** 20} MiB are published`,
      {
        hint: 'functions would load all of it: publish it anyway with --with-bank, or calibrate with a smaller bank',
      },
    );
  }
}
