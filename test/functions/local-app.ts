import { createApp } from '../../functions/http/app.ts';
import type { ServingDetector } from '../../functions/http/service.ts';
import { decodeDetector } from '../../shared/artifact/detector.ts';
import { sha256Hex } from '../../shared/artifact/digest.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { prepareScorer } from '../../shared/kernel/prepare-scorer.ts';
import { findDetector } from '../../shared/methods/registry.ts';
import type { MadeDetector } from './published.ts';

/** The HTTP application over one detector in memory; unexpected errors are kept in `bugs`. */
export async function localApp(made: MadeDetector): Promise<{
  readonly fetch: (request: Request) => Promise<Response>;
  readonly version: string;
  readonly bugs: unknown[];
}> {
  const contents = await decodeDetector(made.bytes);
  const version = await sha256Hex(made.bytes);
  const detector = findDetector(contents.document.method);
  const serving: ServingDetector = {
    version,
    method: contents.document.method,
    gamma: contents.document.threshold.gamma,
    classNames: contents.document.classNames,
    calibrationScores: contents.calibrationScores,
    contents,
    detector,
    scorer: prepareScorer(
      { detector, head: contents.head, tensors: contents.tensors },
      await compileKernel(),
    ),
    confirmedAtMs: Date.now(),
  };
  const bugs: unknown[] = [];
  const app = createApp({
    model: 'birds',
    source: { acquire: async () => serving },
    observer: {
      scored: () => undefined,
      stage: () => undefined,
      failed: (error, status) => void (status >= 500 && bugs.push(error)),
    },
    toolVersion: '0.1.0',
  });
  return { fetch: async (request) => app.fetch(request), version, bugs };
}
