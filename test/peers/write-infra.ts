import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { environment } from '../../infra/environments/example.ts';
import { buildInto, synthesize } from '../infra/synthesize-environment.ts';
import { filesAndImages } from '../infra/variants.ts';

/** Synthesises all functions, with recalibration on Fargate and on GPUs, into FOLDER/fargate and FOLDER/gpu. */
const folder = process.argv[2]!;
await mkdir(join(folder, 'build'));
const build = await buildInto(join(folder, 'build'), ['embeddings', 'images', 'bulk']);
const { recalibration } = environment;
const functions = { ...environment.functions, ...filesAndImages };
const gpu = { type: 'gpu', instanceClass: 'g5', cpus: 4, memoryGibibytes: 14, maxInstanceCpus: 64 } as const;
const variants = {
  fargate: { ...environment, functions },
  gpu: { ...environment, functions, recalibration: { ...recalibration!, compute: gpu } },
};
for (const [name, variant] of Object.entries(variants)) {
  await synthesize(variant, build, join(folder, name));
}
