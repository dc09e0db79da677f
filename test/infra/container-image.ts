import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { newFolder } from '../calibrate/run-command.ts';
import type { Synthesis } from './synthesize-environment.ts';

/** A stage of a Dockerfile. */
export interface Stage {
  /** An image, or an earlier stage. */
  readonly from: string;
  readonly name: string;
  readonly instructions: readonly { readonly verb: string; readonly text: string }[];
}

/** What a template's jobs are made from: the folder in the cloud assembly, and the Dockerfile's target. */
export async function imageOf({ outdir }: Synthesis): Promise<{ context: string; target: string }> {
  const assets = JSON.parse(await readFile(join(outdir, 'himplos-test.assets.json'), 'utf8'));
  const [{ source }, ...more] = Object.values<{
    source: { directory: string; dockerBuildTarget: string };
  }>(assets.dockerImages) as [{ source: { directory: string; dockerBuildTarget: string } }];
  if (more.length > 0) throw new Error('expected one image');
  return { context: join(outdir, source.directory), target: source.dockerBuildTarget };
}

/** The stages of a context's Dockerfile. */
export async function stagesOf(context: string): Promise<readonly Stage[]> {
  const lines = (await readFile(join(context, 'Dockerfile'), 'utf8')).split('\n');
  const stages: { from: string; name: string; instructions: Stage['instructions'][number][] }[] = [];
  for (const line of lines) {
    const [, verb = '', text = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (verb === '') continue;
    const [, from, name] = /^(\S+) AS (\S+)$/.exec(text) ?? [];
    if (verb === 'FROM') stages.push({ from: from!, name: name!, instructions: [] });
    else stages.at(-1)!.instructions.push({ verb, text });
  }
  return stages;
}

/** What a COPY takes, from which stage (without one, from the context), and where to. */
export function readCopy(text: string): {
  readonly stage?: string;
  readonly from: readonly string[];
  readonly to: string;
} {
  const words = text.split(' ');
  const [, stage] = /^--from=(\S+)$/.exec(words[0]!) ?? [];
  const paths = stage === undefined ? words : words.slice(1);
  return { ...(stage !== undefined && { stage }), from: paths.slice(0, -1), to: paths.at(-1)! };
}

/** A container's files and how it starts. */
export interface AssembledImage {
  /** Folder that stands for `/`. */
  readonly root: string;
  readonly entry: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Carries out a target's instructions without an engine: what base images bring is left out, and `npm ci --omit=dev`
 * links the packages that the copied lock file names, so that nothing else can be imported (with
 * `--preserve-symlinks`). Throws for any other RUN.
 */
export async function assembleImage(context: string, target: string): Promise<AssembledImage> {
  const stages = await stagesOf(context);
  const roots = new Map<string, string>();
  const { root, entry, environment } = await build(target);
  return { root, entry: entry ?? [], environment };

  async function rootOf(name: string): Promise<string> {
    const root = roots.get(name) ?? (await build(name)).root;
    roots.set(name, root);
    return root;
  }

  async function build(name: string) {
    const stage = stages.find((candidate) => candidate.name === name);
    if (stage === undefined) throw new Error(`there is no stage ${name}`);
    const root = newFolder();
    if (stages.some((candidate) => candidate.name === stage.from)) await copy(await rootOf(stage.from), root);
    const environment: Record<string, string> = {};
    let entry: string[] | undefined;
    let folder = '/';
    for (const { verb, text } of stage.instructions) {
      if (verb === 'WORKDIR') {
        folder = text;
        await mkdir(join(root, folder), { recursive: true });
      } else if (verb === 'COPY') {
        const { stage: other, from, to } = readCopy(text);
        const source = other === undefined ? context : await rootOf(other);
        const into = to.startsWith('/') ? to : join(folder, to);
        for (const path of from) {
          const isFile = to.endsWith('/') && path !== '.';
          await copy(join(source, path), join(root, into, isFile ? basename(path) : ''));
        }
      } else if (verb === 'ENV') {
        const [key, value] = text.split('=') as [string, string];
        environment[key] = value;
      } else if (verb === 'ENTRYPOINT') entry = JSON.parse(text);
      else if (verb === 'RUN' && text === 'npm ci --omit=dev') await linkPackages(join(root, folder));
      else if (verb !== 'USER') throw new Error(`${verb} ${text} is not carried out`);
    }
    return { root, entry, environment };
  }
}

/** Starts the image with a command, as Batch does; resolves to how it ended and what it said. */
export async function runImage(
  { root, entry, environment }: AssembledImage,
  command: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly log: string }> {
  const [program, script = '', ...options] = entry;
  if (program !== 'node') throw new Error(`expected node, got ${program}`);
  const folder = newFolder();
  const child = spawn(process.execPath, [join(root, script), ...options, ...command], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      TMPDIR: folder,
      NODE_OPTIONS: '--preserve-symlinks --preserve-symlinks-main',
      ...environment,
      ...variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk));
  const [status] = await once(child, 'close');
  return { status, log };
}

function copy(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, verbatimSymlinks: true });
}

/** The installed packages that the folder's lock file wants outside development. */
async function linkPackages(folder: string): Promise<void> {
  const lock = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8'));
  for (const [path, { dev }] of Object.entries<{ dev?: boolean }>(lock.packages)) {
    const isNested = path.lastIndexOf('node_modules/') > 0;
    const installed = join(import.meta.dirname, '../..', path);
    if (path === '' || dev === true || isNested || !existsSync(installed)) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await symlink(installed, join(folder, path));
  }
}
