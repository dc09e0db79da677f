import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ZipEntry } from './zip.ts';

/**
 * What onnxruntime-node, sharp and the JPEG decoder need at run time on x86_64 Linux, and their licences; everything else of the packages
 * (other platforms' binaries, sources, maps, types, ES modules) stays out: 63 of 330 MiB.
 */
const PACKAGES: readonly (readonly [name: string, files: RegExp])[] = [
  ['onnxruntime-node', /^(package\.json|dist\/.*\.js|bin\/napi-v6\/linux\/x64\/[^/]+)$/],
  ['onnxruntime-common', /^(package\.json|dist\/cjs\/.*\.(js|json))$/],
  ['sharp', /^(package\.json|LICENSE|dist\/.*\.cjs)$/],
  ['@img/sharp-linux-x64', /^(package\.json|LICENSE|index\.cjs|lib\/.*\.node)$/],
  [
    '@img/sharp-libvips-linux-x64',
    /^(package\.json|README\.md|versions\.json|lib\/(index\.js|[^/]*\.so[.\d]*))$/,
  ],
  ['@img/colour', /^(package\.json|LICENSE\.md|.*\.cjs)$/],
  [
    '@cornerstonejs/codec-libjpeg-turbo-8bit',
    /^(package\.json|README\.md|dist\/libjpegturbowasm_decode\.(js|wasm))$/,
  ],
  ['detect-libc', /^(package\.json|LICENSE|lib\/.*\.js)$/],
  ['semver', /^(package\.json|LICENSE|.*\.js)$/],
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
