import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { environment as example } from '../../infra/environments/example.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { newFolder } from '../calibrate/run-command.ts';
import { imageOf, readCopy, type Stage, stagesOf } from './container-image.ts';
import { buildInto, synthesize } from './synthesize-environment.ts';
import { other } from './variants.ts';

/** Major version that a base image of Node names. */
const NODE_IMAGE = /^node:(\d+)-/;

describe('image of the jobs', () => {
  let context: string;
  let stages: readonly Stage[];
  const targets: string[] = [];
  beforeAll(async () => {
    const build = await buildInto(newFolder());
    for (const value of [example, other]) {
      const image = await imageOf(await synthesize(value, build, newFolder()));
      context = image.context;
      targets.push(image.target);
    }
    stages = await stagesOf(context);
  });

  const stageOf = (name: string) => stages.find((stage) => stage.name === name)!;
  const texts = ({ instructions }: Stage, wanted: string) =>
    instructions.filter(({ verb }) => verb === wanted).map(({ text }) => text);

  it('has the targets that the stack builds, which start the same job, not as root', () => {
    expect(targets).toEqual(['cpu', 'cuda']);
    for (const target of targets) {
      expect(texts(stageOf(target), 'ENTRYPOINT')).toEqual(['["node", "/opt/himplos/job.ts"]']);
      expect(texts(stageOf(target), 'USER')).toEqual([expect.stringMatching(/^(node|ubuntu)$/)]);
    }
  });

  it('copies only what is there: files of its context, or of a stage before', () => {
    for (const [index, stage] of stages.entries()) {
      const before = stages.slice(0, index).map(({ name }) => name);
      for (const { stage: other, from } of texts(stage, 'COPY').map(readCopy)) {
        if (other !== undefined) expect(before).toContain(other);
        else for (const path of from) expect(existsSync(join(context, path)), path).toBe(true);
      }
    }
    for (const file of ['job.ts', 'run-tool.ts', 'dist/himplos.js', 'dist/image-worker.js']) {
      expect(existsSync(join(context, file)), file).toBe(true);
    }
  });

  it('has the Node that the package asks for, in every stage', () => {
    const wanted = /^>=(\d+)$/.exec(packageJson.engines.node)![1];
    const bases = stages.flatMap(({ from }) => NODE_IMAGE.exec(from)?.[1] ?? []);
    expect([...new Set(bases)]).toEqual([wanted]);
    expect(process.versions.node.split('.')[0]).toBe(wanted);
    // The CUDA image brings none.
    const copied = texts(stageOf('cuda'), 'COPY')
      .map(readCopy)
      .find(({ to }) => to === '/usr/local/bin/node');
    expect(NODE_IMAGE.test(stageOf(copied!.stage!).from)).toBe(true);
  });

  it('asks onnxruntime for CUDA libraries that it offers, and stands on that CUDA', () => {
    const [run] = texts(stageOf('cuda-packages'), 'RUN');
    const [, name, major] = /ONNXRUNTIME_NODE_INSTALL=(cuda(\d+)) npm rebuild onnxruntime-node /.exec(run!)!;
    const metadata = createRequire(import.meta.url)('onnxruntime-node/script/install-metadata.js');
    expect(metadata.requirements['linux/x64']).toContain(name);
    expect(stageOf('cuda').from).toMatch(new RegExp(`^nvidia/cuda:${major}\\.\\d+\\.\\d+-cudnn-runtime-`));
  });
});
