import { hash } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { loadManifest } from '../../shared/artifact/load-detector.ts';
import { type ManifestEntry, manifestEntry, verifyFile } from '../../shared/artifact/manifest.ts';
import { HimplosError } from '../../shared/errors.ts';
import type { ObjectReader } from '../../shared/store/object-store.ts';
import { versionKey } from '../../shared/store/version-keys.ts';
import { openVersion } from '../../shared/store/versions.ts';
import type { LoadImages } from '../runtime/load-serving.ts';
import type { openImageModel } from './image-model.ts';
import { MAX_MODEL_BYTES, modelPath } from './model-folder.ts';

/**
 * Loads detector.onnx of a version, verified against the manifest that the channel promises. The file is kept in a
 * folder under its SHA-256, so that a process that starts again in the same container finds it there; what is found
 * is verified like what is fetched. Undefined for a detector without a model or preprocessing.
 * @param folder for models; made when it is not there
 */
export function imageLoader(folder: string, threads?: number): LoadImages {
  return async (store, detector, { document }, contents, signal) => {
    const { version, manifestSha256 } = document;
    const reader = openVersion(store, detector, version, { signal });
    const manifest = await loadManifest(reader, { version, manifestSha256 });
    if (manifest.files.every(({ name }) => name !== 'detector.onnx')) return undefined;
    libraries ??= loadLibraries();
    libraries.catch(() => {
      libraries = undefined;
    });
    const entry = manifestEntry(manifest, 'detector.onnx');
    const path = modelPath(folder, entry.sha256);
    const cached = await readCached(path, entry);
    const fetched = cached ?? fetchModel(store, detector, version, entry, signal);
    const written = fetched === cached ? undefined : writeCached(folder, path, fetched);
    const model = await fetched;
    const { document: about, head } = await contents;
    if (about.preprocessing === null) return undefined;
    const openImageModel = await libraries;
    // What is overwritten when it is opened has to be in its file before.
    await written;
    return openImageModel(model, {
      name: `${reader.address}/${entry.name}`,
      digest: entry.sha256,
      preprocessing: about.preprocessing,
      width: head.width,
      device: 'cpu',
      threads,
    });
  };
}

let libraries: Promise<typeof openImageModel> | undefined;

/**
 * Loads what images need while the network is waited for, in pieces with a turn of the event loop between them, which
 * lets requests out and answers in.
 */
async function loadLibraries(): Promise<typeof openImageModel> {
  await turn();
  const { startRuntime } = await import('../../calibrate/session.ts');
  await turn();
  await startRuntime().catch(() => undefined);
  await turn();
  const { openImageModel } = await import('./image-model.ts');
  await turn();
  const { startDecoder } = await import('../../calibrate/images/prepare-image.ts');
  startDecoder();
  return openImageModel;
}

/** As `loadArtifactFile`, but a digest that the reader has computed on the way is not computed again. */
async function fetchModel(
  store: ObjectReader,
  detector: string,
  version: string,
  entry: ManifestEntry,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (entry.bytes > MAX_MODEL_BYTES) {
    throw new HimplosError(
      'too-large',
      `${entry.name} has ${entry.bytes} bytes: expected at most ${MAX_MODEL_BYTES}`,
    );
  }
  const key = versionKey(detector, version, entry.name);
  const { body, sha256 } = await store.get(key, { maxBytes: entry.bytes, signal });
  if (sha256 !== entry.sha256 || body.length !== entry.bytes) await verifyFile(entry, body);
  return body;
}

/** Undefined when it is not there, or is not what it should be. */
async function readCached(path: string, entry: ManifestEntry): Promise<Uint8Array | undefined> {
  try {
    const file = await open(path);
    try {
      if ((await file.stat()).size !== entry.bytes) return undefined;
      // In one piece, unlike `readFile`, and without the copy that Web Crypto makes: 20 ms for 20 MB.
      const bytes = new Uint8Array(entry.bytes);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, at);
        if (bytesRead === 0) return undefined;
        at += bytesRead;
      }
      return hash('sha256', bytes) === entry.sha256 ? bytes : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

let attempts = 0;

/** Seen whole or not at all. A full disk costs the cache, not the request. */
async function writeCached(
  folder: string,
  path: string,
  model: Uint8Array | Promise<Uint8Array>,
): Promise<void> {
  // Another attempt may begin while this one is still writing.
  const staging = `${path}.${process.pid}-${attempts++}.part`;
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(staging, 'w');
    try {
      const bytes = await model;
      // In one piece, unlike `writeFile`: this thread is busy with the session and could not hand over the next.
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
    } finally {
      await file.close();
    }
    await rename(staging, path);
  } catch {
    await rm(staging, { force: true }).catch(() => undefined);
  }
}
