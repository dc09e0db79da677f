import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { HimplosError } from '../../shared/errors.ts';
import { readBoundedFile } from '../sources/read-file.ts';
import { badModel } from './bad-model.ts';
import { attachExternalData, readExternalFiles } from './external-data.ts';
import { type ModelProto, ModelProtoSchema } from './onnx_pb.ts';
import { checkWire } from './wire-bounds.ts';

/** An ONNX model in memory, its external data included. */
export interface OnnxModel {
  /** As the user wrote it. */
  readonly path: string;
  /** The parsed model. Tensors with external data have it as `rawData`, so that the model stands on its own. */
  readonly proto: ModelProto;
  /**
   * SHA-256 of the file followed by its external data files in the order of their names: 64 hexadecimal digits.
   * Without external data it is what `sha256sum` prints for the file.
   */
  readonly digest: string;
  /** The file's name without its folder. */
  readonly name: string;
  /** Version of the standard operator set that the model was written for. */
  readonly opset: number;
  readonly irVersion: number;
}

/** Model and external data together may have at most this many bytes: protobuf itself ends at 2 GiB. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/**
 * Reads a model and its external data, which must lie inside the model's folder.
 * Throws `not-found`, `too-large` above 2 GiB, or `bad-model` for what is not a usable ONNX file.
 */
export async function readModel(path: string): Promise<OnnxModel> {
  const bytes = await readBoundedFile(path, MAX_MODEL_BYTES);
  const proto = parseModel(bytes, path);
  const files = await readExternalFiles(proto, dirname(path), MAX_MODEL_BYTES - bytes.length);
  attachExternalData(proto, files);
  const digest = createHash('sha256').update(bytes);
  for (const name of [...files.keys()].sort()) digest.update(files.get(name)!);
  return {
    path,
    proto,
    digest: digest.digest('hex'),
    name: basename(path),
    opset: defaultOpset(proto, path),
    irVersion: Number(proto.irVersion),
  };
}

/**
 * Parses the bytes of an ONNX file.
 * @param path for messages
 * Throws `bad-model` when they are not an ONNX model with a graph.
 */
export function parseModel(bytes: Uint8Array, path: string): ModelProto {
  let proto: ModelProto;
  try {
    checkWire(ModelProtoSchema, bytes);
    proto = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    const reason = cause instanceof HimplosError ? `: ${cause.message}` : '';
    throw badModel(`${path}: expected an ONNX model, got something that is not one${reason}`, {
      hint: explainOtherFormat(bytes),
      cause,
    });
  }
  if (proto.graph === undefined || proto.graph.node.length === 0) {
    throw badModel(`${path}: expected an ONNX model, found no graph with nodes in it`, {
      hint: explainOtherFormat(bytes),
    });
  }
  return proto;
}

function defaultOpset(proto: ModelProto, path: string): number {
  const versions = proto.opsetImport
    .filter(({ domain }) => domain === '' || domain === 'ai.onnx')
    .map(({ version }) => Number(version));
  const opset = Math.max(1, ...versions);
  if (opset > 1000) throw badModel(`${path}: expected a version of the operator set, got ${opset}`);
  return opset;
}

/** What people hand over instead, by how the file starts. */
const OTHER_FORMATS: readonly [start: string, at: number, hint: string][] = [
  ['version https://git-lfs', 0, 'this is a Git LFS pointer: run `git lfs pull` to get the model itself'],
  ['PK\x03\x04', 0, 'this looks like a PyTorch checkpoint: export it with torch.onnx.export'],
  ['\x80\x02', 0, 'this looks like a pickled checkpoint: export the model with torch.onnx.export'],
  ['\x89HDF', 0, 'this looks like a Keras model: convert it with tf2onnx'],
  ['ORTM', 4, 'this is in ONNX Runtime format: use the .onnx file that it was made from'],
  ['TFL3', 4, 'this is a TensorFlow Lite model: convert it with tf2onnx'],
  ['<', 0, 'this looks like a web page: the download went wrong'],
];

function explainOtherFormat(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 32));
  const known = OTHER_FORMATS.find(([mark, at]) => start.startsWith(mark, at));
  return known?.[2] ?? 'the file may be cut short: copy it again, or export the model again';
}
