/** Element types of the safetensors format that this project reads and writes. */
export type TensorData =
  | { readonly dtype: 'F32'; readonly data: Float32Array }
  | { readonly dtype: 'F64'; readonly data: Float64Array }
  | { readonly dtype: 'I32'; readonly data: Int32Array }
  | { readonly dtype: 'I64'; readonly data: BigInt64Array }
  | { readonly dtype: 'U8'; readonly data: Uint8Array };

/** A dense array in C order: `data.length` is the product of `shape`. */
export type Tensor = TensorData & { readonly shape: readonly number[] };

/** Named tensors: what a method's fit returns and what an artifact stores. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** A float32 tensor. */
export function f32(data: Float32Array, ...shape: number[]): Tensor {
  return { dtype: 'F32', data, shape };
}

/** A float64 tensor. */
export function f64(data: Float64Array, ...shape: number[]): Tensor {
  return { dtype: 'F64', data, shape };
}

/** A byte tensor. */
export function u8(data: Uint8Array, ...shape: number[]): Tensor {
  return { dtype: 'U8', data, shape };
}
