import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Where the page is kept as the server sends it, so that neither users nor bundlers have to build it. */
export const PLAYGROUND_FILE = fileURLToPath(new URL('../playground/playground-page.json', import.meta.url));

const client = (name: string) => fileURLToPath(new URL(`../playground/client/${name}`, import.meta.url));

/** The text of playground-page.json, from functions/playground/client. The same sources give the same text. */
export async function makePlaygroundPage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [client('main.ts')],
    write: false,
    bundle: true,
    charset: 'utf8',
    platform: 'browser',
    target: 'es2022',
    format: 'esm',
    logLevel: 'error',
  });
  const [html, css] = await Promise.all(
    ['page.html', 'style.css'].map((name) => readFile(client(name), 'utf8')),
  );
  return `${JSON.stringify({ html, css, js: withoutPaths(outputFiles[0]!.text) }, undefined, 1)}\n`;
}

/** esbuild's comments name each source by its path from the working directory. */
function withoutPaths(code: string): string {
  return code.replaceAll(/^\/\/ .*functions\/playground\/client\/(.*)$/gm, '// $1');
}

if (import.meta.main) await writeFile(PLAYGROUND_FILE, await makePlaygroundPage());
