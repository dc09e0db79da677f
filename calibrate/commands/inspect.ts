import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type LoadedDetector, loadDetector } from '../../shared/artifact/load-detector.ts';
import { MANIFEST_FILE } from '../../shared/artifact/manifest.ts';
import { openArtifactFolder } from '../../shared/store/artifact-folder.ts';
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
  return sourceFacts(path, signal);
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
      if (isRecord(value) && Object.keys(value).length > 0) {
        const shown = Object.fromEntries(Object.entries(value).slice(0, MAX_SHOWN));
        const rest = Object.keys(value).length - MAX_SHOWN;
        const more = rest > 0 ? `${indent}  … ${rest} more\n` : '';
        return `${indent}${key}\n${formatFacts(shown, `${indent}  `)}${more}`;
      }
      return `${indent}${key.padEnd(width)}  ${formatValue(value)}\n`;
    })
    .join('');
}

const MAX_SHOWN = 20;

function isRecord(value: unknown): value is Facts {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  const shown = value.slice(0, MAX_SHOWN).map(formatValue).join(', ');
  return value.length > MAX_SHOWN ? `${shown}, … ${value.length - MAX_SHOWN} more` : shown || 'none';
}
