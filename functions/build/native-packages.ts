import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildOptions } from 'esbuild';
import type { ZipEntry } from './zip.ts';

const BINDING = 'bin/napi-v6/linux/x64/onnxruntime_binding.node';

/** Files that compute the path of a binary, and what to say instead. sharp looks for one of its own making first. */
const COMPUTED_PATHS: readonly (readonly [file: RegExp, path: string])[] = [
  [/onnxruntime-node\/dist\/binding\.js$/, `require('./node_modules/onnxruntime-node/${BINDING}')`],
  [/sharp\/dist\/sharp\.cjs$/, 'undefined'],
];

/**
 * How to bundle the JavaScript of onnxruntime-node and sharp: of the 90 ms that sharp took to load on a busy machine,
 * its library took 4 to 10, and finding and compiling 60 files most of the rest. sharp is in a file of its own
 * (`sharpBundle`), because usual JPEGs do not need it. Only the binaries stay outside, at the places that
 * `nativePackages` gives them.
 */
export const bundledNatives = {
  external: ['@img/sharp-*', '*.node', '@cornerstonejs/codec-libjpeg-turbo-8bit'],
  plugins: [
    {
      name: 'sharp-apart',
      setup: ({ onResolve }) => {
        onResolve({ filter: /^sharp$/ }, () => ({ path: './sharp.js', external: true }));
      },
    },
    {
      name: 'paths-of-binaries',
      setup: (build) => {
        for (const [filter, path] of COMPUTED_PATHS) {
          build.onLoad({ filter }, async (file) => {
            const source = await readFile(file.path, 'utf8');
            const contents = source.replaceAll(/require\(`\.\.[^`]*`\)/g, path);
            if (contents === source) throw new Error(`${file.path}: expected the path of a binary`);
            return { contents };
          });
        }
      },
    },
  ],
} satisfies BuildOptions;

/** sharp.js: what `import('sharp')` gives in a bundled function. */
export function sharpBundle(options: BuildOptions): BuildOptions {
  // Its ES modules look for the binary from their own address, which a bundle does not have.
  const entryPoints = ['./node_modules/sharp/dist/index.cjs'];
  return { ...options, ...bundledNatives, outfile: 'sharp.js', entryPoints };
}

/**
 * What onnxruntime-node and sharp need at run time on x86_64 Linux besides their JavaScript, the JPEG decoder, and
 * their licences; everything else of the packages (other platforms' binaries, sources, maps, types) stays out: 63 of
 * 309 MiB.
 */
const PACKAGES: readonly (readonly [name: string, files: RegExp])[] = [
  ['onnxruntime-node', /^(package\.json|bin\/napi-v6\/linux\/x64\/[^/]+)$/],
  ['sharp', /^(package\.json|LICENSE)$/],
  ['@img/sharp-linux-x64', /^(package\.json|LICENSE|index\.cjs|lib\/.*\.node)$/],
  [
    '@img/sharp-libvips-linux-x64',
    /^(package\.json|README\.md|versions\.json|lib\/(index\.js|[^/]*\.so[.\d]*))$/,
  ],
  [
    '@cornerstonejs/codec-libjpeg-turbo-8bit',
    /^(package\.json|README\.md|dist\/libjpegturbowasm_decode\.(js|wasm))$/,
  ],
  ['@img/colour', /^(package\.json|LICENSE\.md)$/],
  ['detect-libc', /^(package\.json|LICENSE)$/],
  ['semver', /^(package\.json|LICENSE)$/],
];

/** The packages' files below `node_modules/`, in a fixed order. Throws when a package is not installed. */
export function nativePackages(root: string): ZipEntry[] {
  return PACKAGES.flatMap(([name, wanted]) => {
    const folder = join(root, 'node_modules', name);
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .filter((path) => wanted.test(path))
      .sort();
    return files.map((path) => ({
      name: `node_modules/${name}/${path}`,
      bytes: readFileSync(join(folder, path)),
    }));
  });
}
