import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadDetector } from '../../../shared/artifact/load-detector.ts';
import type { ArtifactFile } from '../../../shared/artifact/manifest.ts';
import {
  openArtifactFolder,
  requireVacantFolder,
  writeArtifactFolder,
} from '../../../shared/store/artifact-folder.ts';
import type { ObjectBody } from '../../../shared/store/object-store.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { streamOf } from './contract-suite.ts';
import { smallVersion } from './small-version.ts';

type Files = readonly { readonly name: ArtifactFile; readonly body: ObjectBody }[];

describe('an artifact folder', () => {
  let parent: string;
  let folder: string;
  let files: Files;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'himplos-artifact-'));
    folder = join(parent, 'out');
    const version = await smallVersion('folder');
    files = version.manifest.files.map(({ name }) => ({ name, body: version.bodyOf(name) }));
  });
  afterEach(() => rm(parent, { recursive: true }));

  it('holds a version that can be loaded', async () => {
    const manifest = await writeArtifactFolder(folder, files);
    const loaded = await loadDetector(openArtifactFolder(folder), { version: manifest.version });
    expect(loaded.document.name).toBe('folder');
    expect((await readdir(folder)).sort()).toEqual(['detector.safetensors', 'manifest.json', 'report.json']);
    expect(await readdir(parent)).toEqual(['out']);
  });

  it('has the same bytes the second time', async () => {
    await writeArtifactFolder(folder, files);
    await writeArtifactFolder(join(parent, 'again'), files);
    for (const name of await readdir(folder)) {
      expect(await readFile(join(parent, 'again', name))).toEqual(await readFile(join(folder, name)));
    }
  });

  it('can be read by whom any other new folder can be read by', async () => {
    await writeArtifactFolder(folder, files);
    await mkdir(join(parent, 'plain'));
    expect((await stat(folder)).mode).toBe((await stat(join(parent, 'plain'))).mode);
  });

  it('may be an empty folder, a link to one, or one whose parents do not exist', async () => {
    await mkdir(folder);
    await symlink(folder, join(parent, 'link'));
    await writeArtifactFolder(join(parent, 'link'), files);
    expect(await readdir(folder)).toContain('manifest.json');
    await writeArtifactFolder(join(parent, 'a/b/c'), files);
    expect(await readdir(join(parent, 'a/b/c'))).toContain('manifest.json');
  });

  it('is never overwritten', async () => {
    await writeArtifactFolder(folder, files);
    const before = await readFile(join(folder, 'manifest.json'));
    const error = await rejectionOf(writeArtifactFolder(folder, files));
    expect(error.code).toBe('conflict');
    expect(error.message).toContain('already holds a detector');
    expect(await readFile(join(folder, 'manifest.json'))).toEqual(before);
  });

  it('is not put where there are other files, or a file', async () => {
    await mkdir(folder);
    await writeFile(join(folder, 'thesis.tex'), 'precious');
    const error = await rejectionOf(requireVacantFolder(folder));
    expect(error).toMatchObject({ code: 'conflict' });
    expect(error.message).toContain('thesis.tex');
    expect((await rejectionOf(writeArtifactFolder(join(folder, 'thesis.tex'), files))).code).toBe('conflict');
    expect(await readFile(join(folder, 'thesis.tex'), 'utf8')).toBe('precious');
  });

  it('goes to exactly one of two writers', async () => {
    const outcomes = await Promise.allSettled([
      writeArtifactFolder(folder, files),
      writeArtifactFolder(folder, files),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'conflict' },
    });
    expect(await readdir(parent)).toEqual(['out']);
  });

  it('is not made at all when a file cannot be had, nor are its parents', async () => {
    const broken = { ...streamOf(100), bytes: 101 };
    const error = await rejectionOf(
      writeArtifactFolder(join(parent, 'a/b'), [...files, { name: 'report.html', body: broken }]),
    );
    expect(error.code).toBe('bad-input');
    expect(await readdir(parent)).toEqual([]);
  });

  it('is not made without a detector in it', async () => {
    const error = await rejectionOf(writeArtifactFolder(folder, files.slice(1)));
    expect(error.code).toBe('bad-artifact');
    expect(await readdir(parent)).toEqual([]);
  });

  it('is not made when stopped in the middle', async () => {
    const controller = new AbortController();
    const body = {
      bytes: 2,
      async *open() {
        yield new Uint8Array(1);
        controller.abort();
        yield new Uint8Array(1);
      },
    };
    const { signal } = controller;
    const error = await rejectionOf(
      writeArtifactFolder(folder, [...files, { name: 'report.html', body }], { signal }),
    );
    expect(error.code).toBe('interrupted');
    expect(await readdir(parent)).toEqual([]);
  });

  it('is not made when the process exits while writing', async () => {
    const child = fork(new URL('./exit-while-writing.ts', import.meta.url), [folder]);
    const [code] = await once(child, 'exit');
    expect(code).toBe(7);
    expect(await readdir(parent)).toEqual([]);
  });

  const canMount = tryMount();
  it.skipIf(!canMount)('is not made on a full disk (needs the right to mount a small tmpfs)', async () => {
    const disk = join(parent, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    try {
      const big = { name: 'report.html', body: streamOf(200_000) } as const;
      const error = await rejectionOf(writeArtifactFolder(join(disk, 'out'), [...files, big]));
      expect(error.code).toBe('unavailable');
      expect(error.hint).toContain('disk is full');
      expect(await readdir(disk)).toEqual([]);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

/** Whether a tmpfs can be mounted here: usually only by root. */
function tryMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
