import type { FeatureSource, ImageSource } from '../../../calibrate/sources/contract.ts';
import { openSource, type SourceOptions } from '../../../calibrate/sources/open-source.ts';

/** Opens an address that has to be images. */
export async function openImages(address: string, options?: SourceOptions): Promise<ImageSource> {
  const source = await openSource(address, options);
  if (source.kind !== 'images') throw new Error(`${address} is ${source.kind}`);
  return source;
}

/** Opens an address that has to be features. */
export async function openFeatures(address: string, options?: SourceOptions): Promise<FeatureSource> {
  const source = await openSource(address, options);
  if (source.kind !== 'features') throw new Error(`${address} is ${source.kind}`);
  return source;
}

/** Every image as `name=label:content`, content being text in these tests. */
export async function listImages(source: ImageSource): Promise<readonly string[]> {
  const listed: string[] = [];
  for await (const { name, label, bytes } of source.samples()) {
    listed.push(`${name}=${label ?? '-'}:${Buffer.from(bytes).toString()}`);
  }
  return listed;
}

/** All rows, gathered from batches of at most `rows`. */
export async function listRows(source: FeatureSource, rows: number): Promise<readonly (readonly number[])[]> {
  const listed: number[][] = [];
  for await (const batch of source.batches(rows)) {
    if (batch.rows > rows || batch.firstRow !== listed.length) throw new Error('a batch is out of order');
    for (let row = 0; row < batch.rows; row++) {
      listed.push([...batch.features.subarray(row * source.width, (row + 1) * source.width)]);
    }
  }
  return listed;
}
