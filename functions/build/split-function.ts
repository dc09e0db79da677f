import { relative, resolve } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import type { ZipEntry } from './zip.ts';

/**
 * Bundles a function into two CommonJS files: index.js with `handler` and what it imports, and rest.js with what `rest`
 * adds to that, loaded when `handler` imports `rest` dynamically. A function that starts can so have its first request
 * on the way before most of its code has been read. Modules of index.js exist once, as rest.js takes them from there;
 * injected ones can be in both.
 * @param options of both bundles
 * @param handler path of the entry, from `options.absWorkingDir`
 * @param rest path of the module that it imports dynamically
 */
export async function splitFunction(
  options: BuildOptions & { readonly absWorkingDir: string },
  { handler, rest }: { readonly handler: string; readonly rest: string },
): Promise<ZipEntry[]> {
  const given = options.plugins ?? [];
  const plugins = [leaveOut(rest, options.absWorkingDir), ...given];
  const { metafile } = await build({ ...options, entryPoints: [handler], plugins, metafile: true });
  const early = Object.keys(metafile.inputs).filter(
    (path) => path !== handler && !options.inject?.includes(path),
  );
  const entry = {
    contents: [
      `export { handler } from './${handler}';`,
      ...early.map((path, i) => `import * as early${i} from './${path}';`),
      `export const modules = { ${early.map((path, i) => `'${path}': early${i}`).join(', ')} };`,
    ].join('\n'),
    resolveDir: options.absWorkingDir,
  };
  const index = await build({ ...options, outfile: 'index.js', stdin: entry, plugins });
  const later = await build({
    ...options,
    outfile: 'rest.js',
    entryPoints: [rest],
    plugins: [takeFromIndex(early, options.absWorkingDir), ...given],
  });
  return [
    { name: 'index.js', bytes: index.outputFiles![0]!.contents },
    { name: 'rest.js', bytes: later.outputFiles![0]!.contents },
  ];
}

/** index.js asks for rest.js where the sources ask for `rest`. */
function leaveOut(rest: string, root: string): Plugin {
  return {
    name: 'leave-out',
    setup: ({ onResolve }) => {
      onResolve({ filter: /\.ts$/ }, ({ path, resolveDir }) =>
        relative(root, resolve(resolveDir, path)) === rest
          ? { path: './rest.js', external: true }
          : undefined,
      );
    },
  };
}

/** rest.js has of each of these modules what index.js exports of it. */
function takeFromIndex(paths: readonly string[], root: string): Plugin {
  const isEarly = new Set(paths);
  return {
    name: 'take-from-index',
    setup: ({ onLoad, onResolve }) => {
      onResolve({ filter: /\.ts$/, namespace: 'file' }, ({ path, resolveDir }) => {
        const fromRoot = relative(root, resolve(resolveDir, path));
        return isEarly.has(fromRoot) ? { path: fromRoot, namespace: 'index' } : undefined;
      });
      onResolve({ filter: /.*/, namespace: 'index' }, () => ({ path: './index.js', external: true }));
      onLoad({ filter: /.*/, namespace: 'index' }, ({ path }) => ({
        contents: `module.exports = require('./index.js').modules['${path}'];`,
      }));
    },
  };
}
