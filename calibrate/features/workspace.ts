import { rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storageError } from '../../shared/store/file-errors.ts';

/** A folder for features under way. */
export interface Workspace extends Disposable {
  readonly folder: string;
}

/**
 * The folder the user keeps features in (`--cache`), or a new one in the system's temporary folder (TMPDIR) that goes
 * away with the command, also when the process exits in the middle.
 */
export async function openWorkspace(cache: string | undefined): Promise<Workspace> {
  try {
    if (cache !== undefined) {
      await mkdir(cache, { recursive: true });
      return { folder: cache, [Symbol.dispose]: () => {} };
    }
    const folder = await mkdtemp(join(tmpdir(), 'himplos-'));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    process.once('exit', remove);
    return {
      folder,
      [Symbol.dispose]: () => {
        process.off('exit', remove);
        remove();
      },
    };
  } catch (cause) {
    throw storageError(cause, `making ${cache ?? tmpdir()}`);
  }
}
