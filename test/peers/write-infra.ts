import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { environment } from '../../infra/environments/example.ts';
import { buildInto, synthesize } from '../infra/synthesize-environment.ts';

/** Synthesises the example environment, with recalibration on Fargate and on GPUs, into FOLDER/fargate and FOLDER/gpu. */
const folder = process.argv[2]!;
await mkdir(join(folder, 'build'));
const build = await buildInto(join(folder, 'build'));
const { recalibration } = environment;
const gpu = { type: 'gpu', instanceClass: 'g5', cpus: 4, memoryGibibytes: 14, maxInstanceCpus: 64 } as const;
const variants = {
  fargate: environment,
  gpu: { ...environment, recalibration: { ...recalibration!, compute: gpu } },
};
for (const [name, variant] of Object.entries(variants)) {
  await synthesize(variant, build, join(folder, name));
}
