import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildEmbeddings } from '../../functions/build/functions.ts';
import { findBuildOutputs } from '../../infra/config/build-outputs.ts';
import type { EnvironmentInput } from '../../infra/config/environment.ts';
import { makeApp } from '../../infra/synthesize.ts';

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: CloudFormation's JSON, whose shape each test knows
  readonly Properties: any;
}

export interface Synthesis {
  readonly outdir: string;
  /** The template's file, byte for byte. */
  readonly text: string;
  readonly resources: Readonly<Record<string, Resource>>;
  /** cdk-nag's own report. */
  readonly findings: readonly { readonly ruleName: string; readonly severity: string }[];
}

/** The day that schedules must fire after, so that tests do not depend on when they run. */
export const NOW = new Date('2026-11-24T00:00:00Z');

/** A folder as the builds leave it: the embeddings function, really built, and what the image is made from. */
export async function buildFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'himplos-infra-'));
  await mkdir(join(folder, 'functions'));
  await writeFile(join(folder, 'functions/embeddings.zip'), (await buildEmbeddings()).zip);
  const container = new URL('../../infra/container/', import.meta.url);
  await mkdir(join(folder, 'container'));
  for (const name of ['Dockerfile', 'job.ts', 'run-tool.ts']) {
    await cp(new URL(name, container), join(folder, 'container', name));
  }
  return folder;
}

/** Synthesises an environment from a build, under cdk-nag. */
export async function synthesize(value: EnvironmentInput, build: string): Promise<Synthesis> {
  const outdir = await mkdtemp(join(tmpdir(), 'himplos-synth-'));
  const options = { label: 'test', value, now: NOW, outdir };
  const { app, stack } = makeApp({
    ...options,
    outputs: (environment) => findBuildOutputs(environment, build),
  });
  app.synth();
  const text = await readFile(join(outdir, stack.templateFile), 'utf8');
  const report = JSON.parse(await readFile(join(outdir, 'validation-report.json'), 'utf8'));
  return {
    outdir,
    text,
    resources: JSON.parse(text).Resources,
    findings: report.pluginReports.flatMap(({ violations }: { violations: [] }) => violations),
  };
}

/** The resources of a type. */
export function ofType({ resources }: Synthesis, type: string): readonly (readonly [string, Resource])[] {
  return Object.entries(resources).filter(([, resource]) => resource.Type === type);
}

/** Text with references as `<LogicalId>` or `<LogicalId.Attribute>`, which makes ARNs readable. */
export function plain(value: unknown): string {
  if (typeof value === 'string') return value;
  const node = value as Readonly<Record<string, unknown>>;
  if (typeof node.Ref === 'string') return `<${node.Ref}>`;
  if (Array.isArray(node['Fn::GetAtt'])) return `<${node['Fn::GetAtt'].join('.')}>`;
  if (Array.isArray(node['Fn::Join'])) {
    const [separator, parts] = node['Fn::Join'] as [string, unknown[]];
    return parts.map(plain).join(separator);
  }
  throw new Error(`not text: ${JSON.stringify(value)}`);
}
