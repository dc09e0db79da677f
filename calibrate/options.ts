import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { HimplosError } from '../shared/errors.ts';
import { suggest } from '../shared/methods/suggest.ts';
import { AVERAGE } from './results/results.ts';
import { DEVICES, type Device } from './session.ts';

/** How images become features; shared by every command that takes images. */
export interface RunOptions {
  readonly device: Device;
  /** Chosen by the device without it. */
  readonly batch?: number;
  readonly threads: number;
  readonly skipBad?: boolean;
  readonly cache?: string;
}

/** How images are preprocessed, as typed. */
export interface PreprocessOptions {
  readonly preprocess?: string;
  readonly resize?: string;
  readonly crop?: string;
  readonly mean?: string;
  readonly std?: string;
}

export function addRunOptions(command: Command): Command {
  return command
    .option('--device <name>', `where the model runs: ${DEVICES.join(', ')}`, parseDevice, 'auto' as Device)
    .option(
      '--batch <n>',
      'images per run of the model (2 on a CPU, 64 on a GPU)',
      parseCount('--batch', 4096),
    )
    .option(
      '--threads <n>',
      'threads for decoding and for the model',
      parseCount('--threads', 1024),
      availableParallelism(),
    )
    .option('--skip-bad', 'pass over images that cannot be decoded, and count them')
    .option('--cache <dir>', 'keep features of images here, to be used again');
}

export function addPreprocessOptions(command: Command): Command {
  return command
    .option('--preprocess <name>', 'imagenet, cifar10, or a JSON file')
    .option('--resize <size>', 'shorter side, HEIGHTxWIDTH, or none')
    .option('--crop <side>', 'side of the centre crop, or none')
    .option('--mean <r,g,b>', 'channel means, on the scale of 0 to 1')
    .option('--std <r,g,b>', 'channel standard deviations, on the scale of 0 to 1');
}

/** Gathers a repeated option. */
export function collectValues(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** A whole number from 1 to `max`. Throws `bad-usage`. */
export function parseCount(option: string, max: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (/^[1-9]\d{0,9}$/.test(text) && count <= max) return count;
    throw new HimplosError(
      'bad-usage',
      `${option}: expected a whole number from 1 to ${max}, got ${quote(text)}`,
      { hint: `for example ${option} ${Math.min(64, max)}` },
    );
  };
}

/** A share of in-distribution samples, strictly between 0 and 1. Throws `bad-usage`. */
export function parseTpr(text: string): number {
  const tpr = Number(text);
  if (text.trim() !== '' && tpr > 0 && tpr < 1) return tpr;
  throw new HimplosError('bad-usage', `--tpr: expected a number between 0 and 1, got ${quote(text)}`, {
    hint: '--tpr 0.95 accepts 95 % of in-distribution images',
  });
}

/** One of a few words. Throws `bad-usage`. */
export function parseChoice<Choice extends string>(
  option: string,
  choices: readonly Choice[],
): (text: string) => Choice {
  return (text) => {
    const choice = choices.find((known) => known === text);
    if (choice !== undefined) return choice;
    throw new HimplosError('bad-usage', `${option}: expected ${choices.join(', ')}, got ${quote(text)}`, {
      hint: suggest(text, choices) ?? `for example ${option} ${choices[0]}`,
    });
  };
}

const parseDevice = parseChoice('--device', DEVICES);

/** OOD sets given as NAME=SRC; a name given several times joins its sources. Throws `bad-usage`. */
export function parseNamedSources(
  option: string,
  values: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const sets = new Map<string, readonly string[]>();
  for (const value of values) {
    const match = /^([^=]+)=(.+)$/s.exec(value);
    if (match === null) {
      throw new HimplosError('bad-usage', `${option}: expected NAME=SOURCE, got ${quote(value)}`, {
        hint: `for example ${option} textures=data/textures.tar.gz`,
      });
    }
    const [, name, source] = match as unknown as [string, string, string];
    if (name === AVERAGE || name.length > 200 || hasControlCharacter(name)) {
      throw new HimplosError('bad-usage', `${option}: ${quote(name)} cannot be the name of a set`, {
        hint: `use up to 200 printable characters, and not "${AVERAGE}", which tables use`,
      });
    }
    sets.set(name, [...(sets.get(name) ?? []), source]);
  }
  return sets;
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
