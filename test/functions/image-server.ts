import { createApp } from '../../functions/http/app.ts';
import type { ServingDetector } from '../../functions/http/service.ts';
import { openImageModel } from '../../functions/images/image-model.ts';
import type { ReadReference } from '../../functions/images/image-references.ts';
import { imageRoutes } from '../../functions/images/image-routes.ts';
import { prepareServing } from '../../functions/runtime/load-serving.ts';
import { loadArtifactFile, loadDetector } from '../../shared/artifact/load-detector.ts';
import type { Preprocessing } from '../../shared/images/preprocessing.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';

/** The images function's application over a detector's folder; unexpected errors are kept in `bugs`. */
export interface ImageServer {
  readonly serving: ServingDetector;
  readonly bugs: readonly unknown[];
  fetch(request: Request): Promise<Response>;
  /** Posts a body to /v1/images. */
  post(body: BodyInit, type?: string, query?: string): Promise<Response>;
}

export async function imageServer(
  folder: string,
  options: {
    readonly readReference?: ReadReference;
    readonly budgetMs?: () => number;
    /** Another than the detector's. */
    readonly preprocessing?: Preprocessing;
  } = {},
): Promise<ImageServer> {
  const reader = openArtifactFolder(folder);
  const loaded = await loadDetector(reader);
  const { manifest, document, head, version } = loaded;
  const model = await loadArtifactFile(reader, manifest, 'detector.onnx', 2 ** 30);
  const images = await openImageModel(model, {
    name: 'detector.onnx',
    digest: version,
    preprocessing: options.preprocessing ?? document.preprocessing!,
    width: head.width,
    device: 'cpu',
  });
  const serving = { ...(await prepareServing(version, loaded, await compileKernel())), images };
  const bugs: unknown[] = [];
  const app = createApp({
    model: 'drawings',
    source: { acquire: async () => serving },
    observer: {
      scored: () => undefined,
      stage: () => undefined,
      failed: (error, status) => void (status >= 500 && bugs.push(error)),
    },
    toolVersion: '0.1.0',
    routes: [imageRoutes(options)],
  });
  const send = async (request: Request) => app.fetch(request);
  return {
    serving,
    bugs,
    fetch: send,
    post: (body, type, query = '') =>
      send(
        new Request(`http://localhost/v1/images${query}`, {
          method: 'POST',
          body,
          ...(type !== undefined && { headers: { 'content-type': type } }),
        }),
      ),
  };
}
