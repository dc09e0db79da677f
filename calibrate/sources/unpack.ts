import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { HimplosError } from '../../shared/errors.ts';
import { explainFileError } from './file-error.ts';
import type { SourceLimits } from './limits.ts';

/** The end of every tar: two blocks of zeros. */
const TAR_END_BYTES = 1024;

/**
 * The bytes of a tar archive, gunzipped where its first bytes say that it is packed (its name does not matter).
 * The stream fails with `too-large` past the limits on unpacked bytes and on how far packed bytes unpack, with
 * `bad-input` when it does not end as a tar does (a copy cut off between two entries), and with zlib's or the
 * file system's own error otherwise.
 */
export async function unpackTar(path: string, limits: SourceLimits): Promise<Readable> {
  // Larger reads than the default: fewer turns through the event loop, 15 % faster on a 5,000-image tar.
  const file = createReadStream(path, { highWaterMark: 512 * 1024 });
  try {
    await once(file, 'open');
  } catch (cause) {
    throw explainFileError(cause, path);
  }
  return unpackTarStream(path, file, limits);
}

/** As {@link unpackTar}, from wherever the bytes come. */
export async function unpackTarStream(
  address: string,
  source: AsyncIterable<Uint8Array>,
  limits: SourceLimits,
): Promise<Readable> {
  let packedBytes = 0;
  const iterator = source[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  // Two bytes tell; a source may give them one by one.
  while (packedBytes < 2) {
    const next = await iterator.next();
    if (next.done) break;
    first.push(next.value);
    packedBytes += next.value.length;
  }
  async function* packed(): AsyncGenerator<Uint8Array> {
    try {
      yield* first;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        packedBytes += next.value.length;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  const [one, two] = Buffer.concat(first);
  const isPacked = one === 0x1f && two === 0x8b;
  const stream = isPacked ? gunzip(Readable.from(packed(), { objectMode: false })) : packed();
  return Readable.from(
    checked(address, stream, () => packedBytes, limits),
    { objectMode: false },
  );
}

function gunzip(packed: Readable): AsyncIterable<Uint8Array> {
  const unpacked = createGunzip({ chunkSize: 256 * 1024 });
  packed.on('error', (error) => unpacked.destroy(error));
  unpacked.on('close', () => packed.destroy());
  return packed.pipe(unpacked);
}

async function* checked(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  packedBytes: () => number,
  limits: SourceLimits,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  let zerosAtEnd = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > limits.archiveBytes) {
      throw new HimplosError('too-large', `${path}: unpacks to more than ${limits.archiveBytes} bytes`, {
        hint: 'split it into several archives',
      });
    }
    if (bytes > limits.ratioAfterBytes && bytes > limits.ratio * packedBytes()) {
      throw new HimplosError('too-large', `${path}: unpacks to more than ${limits.ratio} times its size`, {
        hint: 'images do not compress like that: this looks like an archive bomb',
      });
    }
    zerosAtEnd = countZerosAtEnd(chunk, zerosAtEnd);
    yield chunk;
  }
  if (zerosAtEnd < TAR_END_BYTES) {
    throw new HimplosError('bad-input', `${path}: the archive is truncated: its end mark is missing`, {
      hint: 'copy or download it again',
    });
  }
}

function countZerosAtEnd(chunk: Uint8Array, before: number): number {
  const wanted = Math.min(chunk.length, TAR_END_BYTES);
  let zeros = 0;
  while (zeros < wanted && chunk[chunk.length - 1 - zeros] === 0) zeros++;
  return zeros === chunk.length ? before + zeros : zeros;
}
