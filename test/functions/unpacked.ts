import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildFunction, type FunctionName } from '../../functions/build/functions.ts';
import { zip } from '../../functions/build/zip.ts';
import { runQuietly } from '../calibrate/demo-detector.ts';
import type { FakeS3 } from '../servers/fake-s3.ts';

/** Larger archives would take seconds to deflate. */
const MAX_ZIPPED_BYTES = 2 ** 20;

/**
 * Builds a function and unpacks it into a new folder, as Lambda does. Small ones go through their archive where unzip is
 * installed.
 */
export async function unpack(name: FunctionName): Promise<{ readonly taskRoot: string; remove(): void }> {
  const { files } = await buildFunction(name);
  const taskRoot = mkdtempSync(join(tmpdir(), `himplos-${name}-`));
  const isSmall = files.reduce((total, { bytes }) => total + bytes.length, 0) <= MAX_ZIPPED_BYTES;
  if (!isSmall || !unzip(zip(files), taskRoot)) {
    for (const { name: path, bytes } of files) {
      mkdirSync(dirname(join(taskRoot, path)), { recursive: true });
      writeFileSync(join(taskRoot, path), bytes);
    }
  }
  return { taskRoot, remove: () => rmSync(taskRoot, { recursive: true, force: true }) };
}

/** Whether there was an unzip to do it with. */
function unzip(archive: Uint8Array, folder: string): boolean {
  const file = join(folder, 'function.zip');
  writeFileSync(file, archive);
  const { status } = spawnSync('unzip', ['-q', file, '-d', folder]);
  rmSync(file);
  return status === 0;
}

/** Publishes a detector's folder to a fake S3 server and promotes it; resolves to its version. */
export async function publishFolder(s3: FakeS3, folder: string): Promise<string> {
  process.env.AWS_ACCESS_KEY_ID = s3.credentials.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = s3.credentials.secretAccessKey;
  const store = ['--store', 's3://bucket/detectors', '--endpoint', s3.endpoint, '--region', 'us-east-1'];
  const named = [...store, '--name', 'birds'];
  const { version } = JSON.parse(await runQuietly(['publish', folder, ...named, '--json']));
  await runQuietly(['promote', version, ...named, '--force', '--by', 'test', '--reason', 'first']);
  return version;
}
