import { basename } from 'node:path';
import { HimplosError } from '../../shared/errors.ts';
import { decodeNpy } from '../../shared/formats/npy.ts';
import { decodeSafetensors } from '../../shared/formats/safetensors.ts';
import type { Head } from '../../shared/methods/contract.ts';
import type { Tensor } from '../../shared/tensor.ts';
import { nameError } from '../sources/file-error.ts';
import { readBoundedFile } from '../sources/read-file.ts';

/** 2 GiB: 100,000 classes of 5,000 float32 features. */
const MAX_HEAD_BYTES = 2 ** 31 - 1;

/**
 * Reads a last linear layer kept by itself: safetensors with `weight` [C, L] and `bias` [C] (or `head.weight` and
 * `head.bias`), or `.npy` with the weight, `W.npy:b.npy` with both. Without a bias it is 0. Values are float32, or
 * float64 and rounded. Throws `bad-input` for other shapes, types, or numbers that are not finite.
 */
export async function readHead(address: string): Promise<Head> {
  const arrays = /^(.+?\.npy)(?::(.+\.npy))?$/i.exec(address);
  const { weight, bias } =
    arrays === null ? await readTensors(address) : await readArrays(arrays[1]!, arrays[2]);
  const [classes = 0, width = 0] = weight.shape;
  if (weight.shape.length !== 2 || classes < 1 || width < 1) {
    throw badHead(address, `a weight of [classes, features], got [${weight.shape}]`);
  }
  if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== classes)) {
    throw badHead(address, `a bias of [${classes}], as the weight has rows, got [${bias.shape}]`);
  }
  return {
    classes,
    width,
    weight: toFloat32(address, 'weight', weight),
    bias: bias === undefined ? new Float32Array(classes) : toFloat32(address, 'bias', bias),
  };
}

interface HeadTensors {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

async function readTensors(path: string): Promise<HeadTensors> {
  const bytes = await readBoundedFile(path, MAX_HEAD_BYTES);
  try {
    const { tensors } = decodeSafetensors(bytes);
    const weight = tensors.weight ?? tensors['head.weight'];
    if (weight !== undefined) return { weight, bias: tensors.bias ?? tensors['head.bias'] };
    throw badHead(path, `tensors weight and bias, got ${Object.keys(tensors).slice(0, 5).join(', ')}`);
  } catch (cause) {
    throw nameError(cause, path);
  }
}

async function readArrays(weightPath: string, biasPath: string | undefined): Promise<HeadTensors> {
  const read = async (path: string) => {
    const bytes = await readBoundedFile(path, MAX_HEAD_BYTES);
    try {
      return decodeNpy(bytes);
    } catch (cause) {
      throw nameError(cause, path);
    }
  };
  return { weight: await read(weightPath), bias: biasPath === undefined ? undefined : await read(biasPath) };
}

function toFloat32(address: string, name: string, { dtype, data }: Tensor): Float32Array {
  if (dtype !== 'F32' && dtype !== 'F64')
    throw badHead(address, `${name} in float32 or float64, got ${dtype}`);
  const values = dtype === 'F32' ? data : Float32Array.from(data);
  if (values.every(Number.isFinite)) return values;
  throw badHead(address, `finite numbers, got others in ${name}`);
}

function badHead(address: string, expected: string): HimplosError {
  return new HimplosError('bad-input', `${basename(address)}: expected ${expected}`, {
    hint: 'write the last layer as PyTorch has it: save_file({"weight": fc.weight, "bias": fc.bias}, "head.safetensors")',
  });
}
