import { join } from 'node:path';
import { expect } from 'vitest';
import {
  type CommandResult,
  listBelow,
  newFolder,
  readError,
  runCommand,
  watchTemporaryFiles,
} from '../run-command.ts';

/**
 * Runs a command that writes to `--out` and expects it to be refused: exit status 2, an error that matches, a hint, no
 * stack trace, no results, and no file anywhere: not at `--out`, not beside it, not in the temporary folder.
 * @param argv without `--out`
 */
export async function expectRefusal(argv: readonly string[], message: RegExp): Promise<CommandResult> {
  const beside = newFolder();
  const { result, left } = await watchTemporaryFiles(() =>
    runCommand([...argv, '--out', join(beside, 'deep', 'detector')]),
  );
  expect(readError(result).message).toMatch(message);
  expect(result.stdout).toBe('');
  expect(listBelow(beside)).toEqual([]);
  expect(left).toEqual([]);
  return result;
}
