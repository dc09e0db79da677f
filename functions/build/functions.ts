import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundledNatives, nativePackages } from './native-packages.ts';
import { type ZipEntry, zip } from './zip.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every function, and whether it runs models and decodes images. */
const FUNCTIONS = { embeddings: false, images: true, bulk: true } as const;

export type FunctionName = keyof typeof FUNCTIONS;

/** A function as it is deployed. */
export interface BuiltFunction {
  /** index.js, CommonJS: loads faster than ESM here (45 ms against 55 ms with the S3 client inside). */
  readonly code: Uint8Array;
  /** index.js, and the native packages where there are any. */
  readonly files: readonly ZipEntry[];
}

/** Bundles functions/NAME into one file. The same sources give the same bytes, on any machine. */
export async function buildFunction(name: FunctionName): Promise<BuiltFunction> {
  const isNative = FUNCTIONS[name];
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [`functions/${name}/handler.ts`],
    outfile: 'index.js',
    write: false,
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    // The ES modules of the AWS SDK shake better and load faster than what `main` points to.
    mainFields: ['module', 'main'],
    legalComments: 'none',
    define: { 'import.meta.url': '""', 'import.meta.main': 'false' },
    ...(isNative && bundledNatives),
    logLevel: 'error',
  });
  const code = outputFiles[0]!.contents;
  return { code, files: [{ name: 'index.js', bytes: code }, ...(isNative ? nativePackages(root) : [])] };
}

/** functions/embeddings, with its zip. */
export async function buildEmbeddings(): Promise<{ readonly code: Uint8Array; readonly zip: Uint8Array }> {
  const { code, files } = await buildFunction('embeddings');
  return { code, zip: zip(files) };
}

if (import.meta.main) {
  const wanted = process.argv.slice(2);
  for (const name of Object.keys(FUNCTIONS) as FunctionName[]) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const folder = join(root, 'dist/functions', name);
    const { files } = await buildFunction(name);
    await rm(folder, { recursive: true, force: true });
    for (const { name: path, bytes } of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), bytes);
    }
    const archive = zip(files);
    await writeFile(`${folder}.zip`, archive);
    const unpacked = files.reduce((total, { bytes }) => total + bytes.length, 0);
    process.stdout.write(`${folder}.zip: ${archive.length} bytes, ${unpacked} unpacked\n`);
  }
}
