import type { Context } from 'aws-lambda';
import { HimplosError } from '../../shared/errors.ts';
import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { openStore } from '../../shared/store/open-store.ts';
import { isS3Address, parseS3Address } from '../../shared/store/s3-address.ts';
import { imageLoader } from '../images/load-image-model.ts';
import { MODEL_FOLDER } from '../images/model-folder.ts';
import { readConfiguration } from '../runtime/configuration.ts';
import { DetectorCache } from '../runtime/detector-cache.ts';
import { openReader } from '../runtime/open-reader.ts';
import { Telemetry } from '../runtime/telemetry.ts';
import { createBulkHandler } from './application.ts';

const configuration = readConfiguration(process.env);
const cache = new DetectorCache({
  ...configuration,
  openStore: () => openReader(configuration),
  kernel: compileKernel(),
  loadImages: imageLoader(MODEL_FOLDER),
});
cache.start();

const application = loadApplication();
// A failure shows in the first invocation.
application.catch(() => undefined);

/** The function's entry. See application.ts. */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  return (await application)(event, context);
}

async function loadApplication() {
  const telemetry = new Telemetry(configuration.detector);
  // Invocations can take minutes: their lines do not wait for the first one's end.
  await telemetry.open();
  cache.onRefreshFailure = (error) => telemetry.refreshFailed(error);
  const root = bulkRoot();
  const { s3Endpoint } = configuration;
  return createBulkHandler({
    cache,
    telemetry,
    store: await openStore(root, s3Endpoint === undefined ? {} : { endpoint: s3Endpoint }),
    bucket: isS3Address(root) ? parseS3Address(root).bucket : undefined,
    falseDiscoveryRate: readNumber('HIMPLOS_FDR', 0.05, 0, 1),
    // Of the 512 MB that /tmp has unless it is given more.
    maxOutputBytes: readNumber('HIMPLOS_MAX_OUTPUT_MEGABYTES', 400, 0, 1e6) * 1e6,
  });
}

/** Where inbox/ and scores/ are: `HIMPLOS_BULK`, or the bucket of the store. */
function bulkRoot(): string {
  const { HIMPLOS_BULK } = process.env;
  if (HIMPLOS_BULK !== undefined) return HIMPLOS_BULK;
  if (isS3Address(configuration.store)) return `s3://${parseS3Address(configuration.store).bucket}`;
  throw new HimplosError('bad-usage', 'environment variable HIMPLOS_BULK: expected a folder, got none', {
    hint: 'a store that is a folder does not say where inbox/ and scores/ are',
  });
}

/** A number between two bounds, both excluded. Throws `bad-usage`. */
function readNumber(name: string, fallback: number, above: number, below: number): number {
  const text = process.env[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (value > above && value < below) return value;
  throw new HimplosError(
    'bad-usage',
    `environment variable ${name}: expected a number between ${above} and ${below}`,
    {
      hint: `leave it out for ${fallback}`,
    },
  );
}
