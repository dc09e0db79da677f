import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environment as example } from '../../infra/environments/example.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { buildInto, type Synthesis, synthesize } from './synthesize-environment.ts';
import { filesAndImages, other } from './variants.ts';

/** What the tests of templates look at. */
export interface Syntheses {
  readonly build: string;
  /** The example. */
  readonly first: Synthesis;
  /** Everything that the example leaves out, but for functions. */
  readonly second: Synthesis;
  /** With the functions on images and files, without recalibration. Their zips stand in for the real ones. */
  readonly third: Synthesis;
}

/** Synthesises the variants; together they have every kind of resource that the stack can have. */
export async function synthesizeVariants(): Promise<Syntheses> {
  const build = await buildInto(newFolder());
  for (const name of ['images', 'bulk']) {
    await copyFile(join(build, 'functions/embeddings.zip'), join(build, `functions/${name}.zip`));
  }
  return {
    build,
    first: await synthesize(example, build, newFolder()),
    second: await synthesize(other, build, newFolder()),
    third: await synthesize(
      { ...example, functions: filesAndImages, recalibration: undefined },
      build,
      newFolder(),
    ),
  };
}
