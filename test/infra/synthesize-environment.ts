import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Validations } from 'aws-cdk-lib';
import type { Node } from 'constructs';
import { buildTool } from '../../calibrate/build.ts';
import { buildFunction, type FunctionName } from '../../functions/build/functions.ts';
import { zip } from '../../functions/build/zip.ts';
import { findBuildOutputs } from '../../infra/config/build-outputs.ts';
import type { EnvironmentInput } from '../../infra/config/environment.ts';
import { fillContainer } from '../../infra/container/build.ts';
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
  readonly findings: readonly unknown[];
  /** Rules of cdk-nag that somebody has said are right as they are. */
  readonly acknowledged: readonly { readonly path: string; readonly id: string; readonly reason: string }[];
}

/** The day that schedules must fire after, so that tests do not depend on when they run. */
export const NOW = new Date('2026-11-24T00:00:00Z');

/** Fills a folder as the builds do: functions, really built, and what the image is made from. */
export async function buildInto(
  folder: string,
  functions: readonly FunctionName[] = ['embeddings'],
): Promise<string> {
  await mkdir(join(folder, 'functions'));
  for (const name of functions) {
    const { files } = await buildFunction(name);
    await writeFile(join(folder, `functions/${name}.zip`), zip(files));
  }
  await buildTool(join(folder, 'tool'));
  await fillContainer(join(folder, 'container'), join(folder, 'tool'));
  return folder;
}

/** Synthesises an environment from a build into a new folder, under cdk-nag. */
export async function synthesize(value: EnvironmentInput, build: string, outdir: string): Promise<Synthesis> {
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
    acknowledged: stack.node.findAll().flatMap(({ node }) => acknowledgedAt(node)),
  };
}

function acknowledgedAt({ path, metadata }: Node): Synthesis['acknowledged'] {
  return (
    metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.entries(data as Record<string, string>))
      .map(([id, reason]) => ({ path, id, reason }))
      // The CDK sets rules of its own validator aside for its own constructs.
      .filter(({ id }) => id.includes('AwsSolutions'))
  );
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
  if (typeof node['Fn::Sub'] === 'string') return node['Fn::Sub'];
  if (Array.isArray(node['Fn::GetAtt'])) return `<${node['Fn::GetAtt'].join('.')}>`;
  if (Array.isArray(node['Fn::Join'])) {
    const [separator, parts] = node['Fn::Join'] as [string, unknown[]];
    return parts.map(plain).join(separator);
  }
  throw new Error(`not text: ${JSON.stringify(value)}`);
}
