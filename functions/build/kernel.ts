import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

/** Where the compiled kernel is kept, so that neither users nor bundlers need the compiler. */
export const KERNEL_FILE = fileURLToPath(new URL('../../shared/kernel/kernel-bytes.ts', import.meta.url));

const SOURCE = 'shared/kernel/assembly/index.ts';

/** The same for the resize of images. */
export const RESIZE_KERNEL_FILE = fileURLToPath(
  new URL('../../shared/images/resize-kernel-bytes.ts', import.meta.url),
);

const RESIZE_SOURCE = 'shared/images/assembly/resize.ts';

/** The same for the sums of statistics. */
export const SUMS_KERNEL_FILE = fileURLToPath(
  new URL('../../shared/maths/sums-kernel-bytes.ts', import.meta.url),
);

const SUMS_SOURCE = 'shared/maths/assembly/sums.ts';

/**
 * The text of kernel-bytes.ts: both variants of shared/kernel/assembly, compiled. The same sources give the same text.
 */
export async function makeKernelFile(): Promise<string> {
  const simd = await compile(SOURCE, ['simd'], ['--importMemory']);
  const relaxed = await compile(SOURCE, ['simd', 'relaxed-simd'], ['--importMemory']);
  return `// Compiled from ${SOURCE} by functions/build/kernel.ts: npm run build:kernel.

/** WebAssembly with SIMD, in base64. */
export const SIMD_KERNEL =
  '${simd}';

/** The same with relaxed SIMD: fused multiply–add and products of bytes. */
export const RELAXED_SIMD_KERNEL =
  '${relaxed}';
`;
}

/** The text of resize-kernel-bytes.ts. */
export function makeResizeKernelFile(): Promise<string> {
  return makeSimdFile(RESIZE_SOURCE, 'RESIZE_KERNEL');
}

/** The text of sums-kernel-bytes.ts. */
export function makeSumsKernelFile(): Promise<string> {
  return makeSimdFile(SUMS_SOURCE, 'SUMS_KERNEL');
}

async function makeSimdFile(source: string, name: string): Promise<string> {
  return `// Compiled from ${source} by functions/build/kernel.ts: npm run build:kernel.

/** WebAssembly with SIMD, in base64. */
export const ${name} =
  '${await compile(source, ['simd'])}';
`;
}

async function compile(
  source: string,
  features: readonly string[],
  others: readonly string[] = [],
): Promise<string> {
  const files = new Map<string, Uint8Array>();
  const { error, stderr } = await asc.main(
    [
      source,
      ...[
        '--outFile',
        'kernel.wasm',
        '--runtime',
        'stub',
        '--use',
        'abort=',
        '--noAssert',
        '-O3',
        '--converge',
        ...others,
      ],
      // 112: v128 in signatures, which only matters to functions that are exported from the module.
      ...['--disableWarning', '112', ...features.flatMap((feature) => ['--enable', feature])],
    ],
    { writeFile: (name, contents) => void files.set(name, contents as Uint8Array) },
  );
  const bytes = files.get('kernel.wasm');
  if (error !== null || bytes === undefined) {
    throw new Error(`the kernel does not compile: ${stderr.toString().slice(0, 2000)}`, { cause: error });
  }
  return Buffer.from(bytes).toString('base64');
}

if (import.meta.main) {
  process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
  await writeFile(KERNEL_FILE, await makeKernelFile());
  await writeFile(RESIZE_KERNEL_FILE, await makeResizeKernelFile());
  await writeFile(SUMS_KERNEL_FILE, await makeSumsKernelFile());
}
