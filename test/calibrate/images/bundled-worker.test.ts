import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../sources/temporary-folder.ts';
import { drawPng } from './draw-image.ts';

const run = promisify(execFile);
const project = fileURLToPath(new URL('../../../', import.meta.url));
let folder: string;

/** Below node_modules, so that the bundle finds packages as an installed one does. */
beforeAll(async () => {
  const cache = join(project, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, 'himplos-bundle-'));
  await build({
    absWorkingDir: project,
    stdin: {
      contents: `
        export { imageBatches } from './calibrate/images/image-batches.ts';
        export { openSource } from './calibrate/sources/open-source.ts';`,
      resolveDir: project,
    },
    outfile: join(folder, 'main.js'),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  await build({
    absWorkingDir: project,
    entryPoints: ['calibrate/images/image-worker.ts'],
    outdir: folder,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a one-line program prints that counts rows by way of the module at `main`. */
async function countRows(openFrom: string, batchesFrom: string, images: string): Promise<string> {
  const program = `
    import { openSource } from ${JSON.stringify(openFrom)};
    import { imageBatches } from ${JSON.stringify(batchesFrom)};
    const preprocessing = { resize: null, crop: null, mean: [0, 0, 0], std: [1, 1, 1] };
    const options = { preprocessing, batch: 2, threads: 2 };
    for await (const batch of imageBatches(await openSource(process.argv[1]), options)) console.log(batch.rows);`;
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program, images]);
  return stdout + stderr;
}

describe('the decoding threads', () => {
  it.each(['the bundle', 'the sources'])(
    'start from %s, also in a program given as an argument',
    async (from) => {
      const images = await temporaryFolder({
        'a.png': await drawPng(4, 4, 1),
        'b.png': await drawPng(4, 4, 2),
        'c.png': await drawPng(4, 4, 3),
      });
      const url = (path: string) => pathToFileURL(path).href;
      const printed =
        from === 'the bundle'
          ? await countRows(url(join(folder, 'main.js')), url(join(folder, 'main.js')), images)
          : await countRows(
              url(join(project, 'calibrate/sources/open-source.ts')),
              url(join(project, 'calibrate/images/image-batches.ts')),
              images,
            );
      expect(printed).toBe('2\n1\n');
    },
  );
});
