import { lstat } from 'node:fs/promises';
import { join, posix, win32 } from 'node:path';
import { HimplosError } from '../../shared/errors.ts';
import { explainFileError } from '../sources/file-error.ts';
import { readBoundedFile } from '../sources/read-file.ts';
import { badModel, quoted } from './bad-model.ts';
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
} from './onnx_pb.ts';
import { storedBytes } from './tensor-values.ts';

/** More files than any exporter writes: one per tensor is the most they do. */
const MAX_EXTERNAL_FILES = 10_000;

/**
 * Reads every file that tensors of the model name as external data, each once.
 * @param folder the model's folder; a location that leaves it, or passes through a link, is refused
 * @param limit bytes of all files together
 * @returns contents by location
 * Throws `bad-model` for a location outside or a file that is absent, `too-large` above the limit.
 */
export async function readExternalFiles(
  model: ModelProto,
  folder: string,
  limit: number,
): Promise<Map<string, Uint8Array>> {
  const locations = new Set<string>();
  for (const tensor of externalTensors(model)) locations.add(locationOf(tensor));
  if (locations.size > MAX_EXTERNAL_FILES) {
    throw badModel(`external data in ${locations.size} files, expected at most ${MAX_EXTERNAL_FILES}`);
  }
  const files = new Map<string, Uint8Array>();
  let left = limit;
  for (const location of locations) {
    const bytes = await readExternalFile(folder, location, left);
    left -= bytes.length;
    files.set(location, bytes);
  }
  return files;
}

/** Turns external tensors into ordinary ones whose raw data are views of the files. Throws `bad-model`. */
export function attachExternalData(model: ModelProto, files: ReadonlyMap<string, Uint8Array>): void {
  for (const tensor of externalTensors(model)) {
    const location = locationOf(tensor);
    const file = files.get(location)!;
    const where = `tensor ${quoted(tensor.name)} in ${quoted(location)}`;
    const offset = numberEntry(tensor, 'offset', where) ?? 0;
    const expected = storedBytes(tensor);
    const length = numberEntry(tensor, 'length', where) ?? expected ?? file.length - offset;
    if (expected !== undefined && length !== expected) {
      throw badModel(
        `${where}: expected ${expected} bytes for its shape and type, got a length of ${length}`,
      );
    }
    if (offset + length > file.length) {
      throw badModel(
        `${where}: bytes ${offset} to ${offset + length} lie outside the file's ${file.length} bytes`,
        { hint: 'the data file may be cut short: copy it again' },
      );
    }
    tensor.rawData = file.subarray(offset, offset + length);
    tensor.externalData = [];
    tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
  }
}

async function readExternalFile(folder: string, location: string, limit: number): Promise<Uint8Array> {
  const parts = checkedParts(location);
  try {
    for (let depth = 1; depth <= parts.length; depth++) {
      const stats = await lstat(join(folder, ...parts.slice(0, depth)));
      const wanted = depth === parts.length ? stats.isFile() : stats.isDirectory();
      if (!wanted) {
        throw badModel(
          `external data ${quoted(location)}: expected a plain file inside the model's folder, got a link or something else`,
          { hint: 'copy the data file itself next to the model' },
        );
      }
    }
    return await readBoundedFile(join(folder, ...parts), limit);
  } catch (cause) {
    if (cause instanceof HimplosError && cause.code === 'bad-model') throw cause;
    const error = explainFileError(cause, join(folder, ...parts));
    if (error.code !== 'not-found') throw error;
    throw badModel(`external data ${quoted(location)}: no such file in the model's folder`, {
      hint: 'a model with external data is several files: copy all of them',
      cause,
    });
  }
}

function checkedParts(location: string): string[] {
  const parts = location.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  const escapes =
    parts.length === 0 ||
    parts.includes('..') ||
    location.includes('\0') ||
    posix.isAbsolute(location) ||
    win32.isAbsolute(location) ||
    /^[A-Za-z]:/.test(location);
  if (escapes) {
    throw badModel(
      `external data ${quoted(location)}: expected a file inside the model's folder, got a location outside it`,
      { hint: 'save the model again with its data file next to it' },
    );
  }
  return parts;
}

function locationOf(tensor: TensorProto): string {
  const location = tensor.externalData.find(({ key }) => key === 'location')?.value;
  if (location === undefined)
    throw badModel(`tensor ${quoted(tensor.name)}: external data without a location`);
  return location;
}

function numberEntry(tensor: TensorProto, key: string, where: string): number | undefined {
  const text = tensor.externalData.find((entry) => entry.key === key)?.value;
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw badModel(`${where}: expected a number as ${key}, got ${quoted(text)}`);
  return Number(text);
}

function* externalTensors(model: ModelProto): Generator<TensorProto> {
  for (const tensor of modelTensors(model)) {
    if (tensor.dataLocation === TensorProto_DataLocation.EXTERNAL) yield tensor;
  }
}

/** Every tensor stored anywhere in a model: initialisers, attributes, and those of inner graphs and functions. */
function* modelTensors(model: ModelProto): Generator<TensorProto> {
  if (model.graph !== undefined) yield* graphTensors(model.graph);
  for (const { node } of model.functions) yield* nodeTensors(node);
}

function* graphTensors(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  for (const sparse of graph.sparseInitializer) {
    if (sparse.values !== undefined) yield sparse.values;
    if (sparse.indices !== undefined) yield sparse.indices;
  }
  yield* nodeTensors(graph.node);
}

function* nodeTensors(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const node of nodes) for (const attribute of node.attribute) yield* attributeTensors(attribute);
}

function* attributeTensors(attribute: AttributeProto): Generator<TensorProto> {
  if (attribute.t !== undefined) yield attribute.t;
  yield* attribute.tensors;
  if (attribute.g !== undefined) yield* graphTensors(attribute.g);
  for (const graph of attribute.graphs) yield* graphTensors(graph);
  const sparse = attribute.sparseTensor === undefined ? [] : [attribute.sparseTensor];
  for (const { values, indices } of [...sparse, ...attribute.sparseTensors]) {
    if (values !== undefined) yield values;
    if (indices !== undefined) yield indices;
  }
}
