import { badModel } from './bad-model.ts';
import { LENGTH, malformed, readField, type WireField } from './wire.ts';

/** Fields of onnx.proto by their numbers. */
const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 } as const;
const NODE = { input: 1, output: 2, attribute: 5 } as const;
const ATTRIBUTE = { graph: 6, graphs: 11 } as const;
const VALUE_INFO_NAME = 1;
/** Where other parts of a graph have their name. */
const NAMED = new Map<number, number>([
  [GRAPH.initializer, 8],
  [GRAPH.input, VALUE_INFO_NAME],
  [GRAPH.output, VALUE_INFO_NAME],
]);

/** Fields of the graph and names in it, inner graphs included: an object or a string each. */
const MAX_PARTS = 1_000_000;
/** Graphs within nodes. */
const MAX_DEPTH = 30;

/**
 * A serialised model with these outputs alone, without the nodes and dense initialisers that they do not depend on: what a
 * runtime would otherwise load and compute, asked for or not. Works on the encoding, without building messages: 3 to 8 ms
 * in a new process for a detector of 20 MB.
 * @param model is overwritten in part, and the result lies in its memory
 * @returns `model`, untouched, when there is nothing to leave out, or when it lacks one of the outputs
 * Throws `bad-model` when the encoding is damaged or has more parts than any real model; `model` is untouched then.
 */
export function keepOutputs(model: Uint8Array, outputs: readonly string[]): Uint8Array {
  const graph = findGraph(model);
  const parts = readParts(model, graph);
  const declared = new Set(
    parts.filter(({ number }) => number === GRAPH.output).map(({ names }) => names.at(-1) ?? ''),
  );
  if (!outputs.every((name) => declared.has(name))) return model;

  const live = namesBehind(outputs, parts);
  const dropped = new Set<string>();
  for (const { number, names } of parts) {
    const name = names.at(-1) ?? '';
    if (number === GRAPH.initializer && !live.has(name)) dropped.add(name);
  }
  const isKept = ({ number, names }: Part) => {
    const name = names.at(-1) ?? '';
    if (number === GRAPH.node) return names.some((one) => live.has(one));
    if (number === GRAPH.initializer || number === GRAPH.input) return !dropped.has(name);
    return number !== GRAPH.output || outputs.includes(name);
  };
  const kept = joined(parts.filter(isKept));
  const length = kept.reduce((sum, { at, end }) => sum + end - at, 0);
  if (length === graph.end - graph.start) return model;
  return closeGaps(model, [
    model.subarray(0, graph.at),
    Uint8Array.of(8 * MODEL_GRAPH + LENGTH, ...varint(length)),
    ...kept.map(({ at, end }) => model.subarray(at, end)),
    model.subarray(graph.end),
  ]);
}

function findGraph(model: Uint8Array): WireField {
  let graph: WireField | undefined;
  for (let at = 0; at < model.length; ) {
    const field = readField(model, at, model.length);
    at = field.end;
    if (field.number !== MODEL_GRAPH) continue;
    // A decoder would merge two.
    if (graph !== undefined || field.wireType !== LENGTH) throw malformed();
    graph = field;
  }
  if (graph === undefined) throw malformed();
  return graph;
}

/** A field of a graph. */
interface Part extends Pick<WireField, 'number' | 'at' | 'end'> {
  /**
   * What it is called: the outputs of a node, the name of anything else (the last one, as decoders have it); none for
   * fields of other kinds.
   */
  readonly names: readonly string[];
  /** The tensors that a node reads, in inner graphs too. */
  readonly reads: readonly string[];
}

function readParts(bytes: Uint8Array, { start, end }: WireField): Part[] {
  const reader = new NameReader(bytes);
  const parts: Part[] = [];
  for (let at = start; at < end; at = parts.at(-1)!.end) {
    const field = readField(bytes, at, end);
    const names: string[] = [];
    const reads: string[] = [];
    const nameField = NAMED.get(field.number);
    if (field.number === GRAPH.node) reader.readNode(field, 0, reads, names);
    else if (nameField !== undefined) reader.readNames(field, nameField, names);
    reader.count();
    parts.push({ number: field.number, at: field.at, end: field.end, names, reads });
  }
  return parts;
}

/** Reads names out of messages, and counts what it makes. */
class NameReader {
  readonly #bytes: Uint8Array;
  readonly #buffer: Buffer;
  #parts = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  count(): void {
    if (++this.#parts > MAX_PARTS) throw badModel(`more than ${MAX_PARTS} parts and names in one graph`);
  }

  /** Lists what a node reads and computes; the inner graphs of If, Loop and Scan read tensors of the outer one by name. */
  readNode(node: WireField, depth: number, reads: string[], results: string[]): void {
    if (depth > MAX_DEPTH) throw badModel(`graphs are nested more than ${MAX_DEPTH} deep`);
    for (const field of this.#fields(node)) {
      if (field.number === NODE.input) reads.push(this.#text(field));
      else if (field.number === NODE.output) results.push(this.#text(field));
      else if (field.number === NODE.attribute) this.#readInnerGraphs(field, depth, reads);
    }
  }

  /** Lists the fields `number` of a message. */
  readNames(message: WireField, number: number, names: string[]): void {
    for (const field of this.#fields(message)) if (field.number === number) names.push(this.#text(field));
  }

  #readInnerGraphs(attribute: WireField, depth: number, reads: string[]): void {
    for (const graph of this.#fields(attribute)) {
      if (graph.number !== ATTRIBUTE.graph && graph.number !== ATTRIBUTE.graphs) continue;
      for (const part of this.#fields(graph)) {
        if (part.number === GRAPH.node) this.readNode(part, depth + 1, reads, []);
        else if (part.number === GRAPH.output) this.readNames(part, VALUE_INFO_NAME, reads);
      }
    }
  }

  *#fields({ wireType, start, end }: WireField): Generator<WireField> {
    if (wireType !== LENGTH) throw malformed();
    for (let at = start; at < end; ) {
      const field = readField(this.#bytes, at, end);
      yield field;
      at = field.end;
    }
  }

  /** Bytes as characters: names are only compared. */
  #text({ wireType, start, end }: WireField): string {
    if (wireType !== LENGTH) throw malformed();
    this.count();
    return this.#buffer.toString('latin1', start, end);
  }
}

/** The names of everything that `tensors` depend on, themselves included. */
function namesBehind(tensors: readonly string[], parts: readonly Part[]): Set<string> {
  const producers = new Map<string, Part>();
  for (const part of parts) {
    if (part.number === GRAPH.node) for (const name of part.names) producers.set(name, part);
  }
  producers.delete(''); // an output that is left out
  const live = new Set<string>();
  const pending = [...tensors];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (live.has(name)) continue;
    live.add(name);
    for (const read of producers.get(name)?.reads ?? []) pending.push(read);
  }
  live.delete(''); // an input that is left out
  return live;
}

/** Parts that lie side by side, as one. */
function joined(parts: readonly Part[]): { readonly at: number; readonly end: number }[] {
  const runs: { at: number; end: number }[] = [];
  for (const { at, end } of parts) {
    const last = runs.at(-1);
    if (last?.end === at) last.end = end;
    else runs.push({ at, end });
  }
  return runs;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return [...bytes, left];
}

/**
 * Pushes pieces together around the longest, which stays where it is: the weights of a classifier are most of its file.
 * @param pieces in their order, in `memory` but for the new length before the graph, which is no longer than the old
 */
function closeGaps(memory: Uint8Array, pieces: readonly Uint8Array[]): Uint8Array {
  const longest = pieces.reduce((best, piece) => (piece.length > best.length ? piece : best));
  const pivot = pieces.indexOf(longest);
  let start = longest.byteOffset - memory.byteOffset;
  let end = start + longest.length;
  for (const piece of pieces.slice(0, pivot).reverse()) {
    start -= piece.length;
    memory.set(piece, start);
  }
  for (const piece of pieces.slice(pivot + 1)) {
    memory.set(piece, end);
    end += piece.length;
  }
  return memory.subarray(start, end);
}
