import { basename, resolve } from 'node:path';
import type { DetectorSource } from '../../functions/http/service.ts';
import { openImageModel } from '../../functions/images/image-model.ts';
import { imageLoader } from '../../functions/images/load-image-model.ts';
import { MAX_MODEL_BYTES, MODEL_FOLDER } from '../../functions/images/model-folder.ts';
import { DetectorCache } from '../../functions/runtime/detector-cache.ts';
import { prepareServing } from '../../functions/runtime/load-serving.ts';
import { loadArtifactFile, loadDetector } from '../../shared/artifact/load-detector.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import type { ServeOptions } from '../commands/serve.ts';
import { openNamedStore, requireDetectorName } from '../commands/store-options.ts';
import type { Io } from '../io.ts';

/** What is served, and what to call it. */
export interface ServedDetector {
  readonly name: string;
  readonly source: DetectorSource;
}

/** Long enough for a large model over a slow line. */
const LOAD_TIMEOUT_MS = 120_000;
const REFRESH_MS = 60_000;
const MAX_STALE_MS = 24 * 3_600_000;

/**
 * Opens a folder's detector, or what a store's channel points to (followed while the server runs). The first version
 * is loaded before this resolves. Throws what loading throws.
 */
export async function openServedDetector(options: ServeOptions, io: Io): Promise<ServedDetector> {
  return options.detector === undefined ? openChannel(options, io) : openFolder(options.detector, options);
}

async function openFolder(folder: string, { device, threads }: ServeOptions): Promise<ServedDetector> {
  const reader = openArtifactFolder(folder);
  const loaded = await loadDetector(reader);
  const { document, head, manifest, version } = loaded;
  const serving = await prepareServing(version, loaded, await compileKernel());
  const entry = manifest.files.find(({ name }) => name === 'detector.onnx');
  const images =
    entry === undefined || document.preprocessing === null
      ? undefined
      : await openImageModel(await loadArtifactFile(reader, manifest, entry.name, MAX_MODEL_BYTES), {
          name: `${folder}/${entry.name}`,
          digest: entry.sha256,
          preprocessing: document.preprocessing,
          width: head.width,
          device,
          threads,
        });
  const name = modelName(document.name ?? basename(resolve(folder)));
  return { name, source: { acquire: async () => ({ ...serving, images, confirmedAtMs: Date.now() }) } };
}

async function openChannel(options: ServeOptions, io: Io): Promise<ServedDetector> {
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const source = new DetectorCache({
    detector,
    channel: options.channel,
    openStore: () => store,
    kernel: compileKernel(),
    refreshMs: REFRESH_MS,
    maxStaleMs: MAX_STALE_MS,
    loadTimeoutMs: LOAD_TIMEOUT_MS,
    loadImages: imageLoader(MODEL_FOLDER, options.threads),
  });
  source.onRefreshFailure = (error) => {
    io.stderr.write(
      `the store could not be asked for news: ${error instanceof Error ? error.message : error}\n`,
    );
  };
  await source.acquire();
  return { name: detector, source };
}

/** A name that stands in an address as it is. */
function modelName(name: string): string {
  const plain = name
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 100);
  return plain === '' ? 'detector' : plain;
}
