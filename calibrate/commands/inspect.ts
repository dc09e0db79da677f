import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoadedDetector, loadDetector } from '../../shared/artifact/load-detector.ts';
import { MANIFEST_FILE } from '../../shared/artifact/manifest.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
import { readHead } from '../calibration/read-head.ts';
import type { Io } from '../io.ts';
import { type FoundHead, findHead } from '../onnx/find-head.ts';
import { type OnnxModel, readModel } from '../onnx/read-model.ts';
import { openSource } from '../sources/open-source.ts';

export interface InspectOptions {
  readonly headInput?: string;
  readonly json?: boolean;
}

/** `himplos inspect`: what a model, a detector or a data source holds. */
export async function inspect(path: string, options: InspectOptions, io: Io): Promise<number> {
  const facts = await factsAbout(path, options, io.signal);
  io.stdout.write(options.json ? `${JSON.stringify(facts, null, 2)}\n` : formatFacts(facts));
  return 0;
}

/** What there is to say, in the order people want it. Values are JSON. */
type Facts = Readonly<Record<string, unknown>>;

async function factsAbout(path: string, { headInput }: InspectOptions, signal: AbortSignal): Promise<Facts> {
  if (/\.onnx$/i.test(path)) {
    const model = await readModel(path);
    return modelFacts(model, findHead(model, headInput === undefined ? {} : { headInput }));
  }
  if (await exists(join(path, MANIFEST_FILE))) {
    return detectorFacts(await loadDetector(openArtifactFolder(path)));
  }
  try {
    return await sourceFacts(path, signal);
  } catch (error) {
    const head = /\.safetensors$/i.test(path) ? await readHead(path).catch(() => undefined) : undefined;
    if (head === undefined) throw error;
    return { kind: 'head', path, width: head.width, classes: head.classes };
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function modelFacts(model: OnnxModel, found: FoundHead): Facts {
  const { head, headKind, headNode, headInput, logits, softmaxOutput, input, outputs, nodeSummary } = found;
  return {
    kind: 'model',
    path: model.path,
    digest: model.digest,
    opset: model.opset,
    irVersion: model.irVersion,
    input,
    outputs,
    head: {
      operator: headKind,
      node: headNode,
      input: headInput,
      width: head.width,
      classes: head.classes,
      logits,
      softmaxOutput,
      passedOver: found.passedOver,
    },
    nodes: nodeSummary.nodes,
    operators: nodeSummary.operators,
    pathToHead: nodeSummary.path,
  };
}

function detectorFacts({ version, document, manifest }: LoadedDetector): Facts {
  const { tensors: _, ...rest } = document;
  return { kind: 'detector', version, ...rest, files: manifest.files };
}

async function sourceFacts(path: string, signal: AbortSignal): Promise<Facts> {
  const source = await openSource(path, { signal });
  if (source.kind === 'features') {
    const { rows, width, labels } = source;
    return { kind: 'features', path, rows, width, labels: labels !== undefined };
  }
  const { samples, classes, emptyClasses, ignored } = await source.survey();
  return {
    kind: 'images',
    path,
    images: samples,
    classes: Object.fromEntries(classes),
    emptyClasses,
    ignored,
  };
}

/** One line a fact; what is inside a fact is indented below it, long lists are cut. */
function formatFacts(facts: Facts, indent = ''): string {
  const width = Math.max(...Object.keys(facts).map((key) => key.length));
  return Object.entries(facts)
    .map(([key, value]) => {
      const parts = partsOf(value);
      if (parts.length === 0) return `${indent}${key.padEnd(width)}  ${formatValue(value)}\n`;
      const shown = Object.fromEntries(parts.slice(0, MAX_SHOWN));
      const more = parts.length > MAX_SHOWN ? `${indent}  … ${parts.length - MAX_SHOWN} more\n` : '';
      return `${indent}${key}\n${formatFacts(shown, `${indent}  `)}${more}`;
    })
    .join('');
}

/** What is to be shown below a fact: of a record its entries, of a list of records those, by name or position. */
function partsOf(value: unknown): (readonly [string, unknown])[] {
  if (isRecord(value)) return Object.entries(value);
  if (!Array.isArray(value) || !value.every(isRecord)) return [];
  return value.map(({ name, ...rest }, i) => [typeof name === 'string' ? name : String(i), rest] as const);
}

const MAX_SHOWN = 20;

function isRecord(value: unknown): value is Facts {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || isRecord(value)) return 'none';
  if (!Array.isArray(value)) return JSON.stringify(value);
  const shown = value
    .slice(0, MAX_SHOWN)
    .map((item) => (item === null ? 'any' : formatValue(item)))
    .join(', ');
  return value.length > MAX_SHOWN ? `${shown}, … ${value.length - MAX_SHOWN} more` : shown || 'none';
}
