import { crc32, deflateRawSync } from 'node:zlib';

/** A file of an archive. */
export interface ZipEntry {
  /** Path inside the archive, with slashes. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** 1980-01-01 00:00, the earliest date the format knows: archives hold no trace of when they were made. */
const DATE = 0x0021;
const UTF8_NAMES = 0x0800;
const DEFLATE = 8;
const VERSION = 20;
/** Unix, and a regular file that everybody may read and execute, as Lambda needs. */
const MADE_BY_UNIX = 0x0300 | VERSION;
const FILE_MODE = (0o100755 << 16) >>> 0;

/**
 * A zip archive (APPNOTE 6.3.10, §4.3), deflated. The same entries give the same bytes. At most 65,535 files and 4 GiB.
 */
export function zip(entries: readonly ZipEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, bytes } of entries) {
    const nameBytes = new TextEncoder().encode(name);
    const packed = deflateRawSync(bytes, { level: 9 });
    const common = header(26, (view, at) => {
      view.setUint16(at, VERSION, true);
      view.setUint16(at + 2, UTF8_NAMES, true);
      view.setUint16(at + 4, DEFLATE, true);
      view.setUint16(at + 8, DATE, true);
      view.setUint32(at + 10, crc32(bytes), true);
      view.setUint32(at + 14, packed.length, true);
      view.setUint32(at + 18, bytes.length, true);
      view.setUint16(at + 22, nameBytes.length, true);
    });
    parts.push(signature(0x04034b50), common, nameBytes, packed);
    const place = header(14, (view) => {
      view.setUint32(6, FILE_MODE, true);
      view.setUint32(10, offset, true);
    });
    const madeBy = header(2, (view) => view.setUint16(0, MADE_BY_UNIX, true));
    directory.push(signature(0x02014b50), madeBy, common, place, nameBytes);
    offset += 4 + common.length + nameBytes.length + packed.length;
  }
  const directoryBytes = directory.reduce((total, part) => total + part.length, 0);
  const end = header(18, (view) => {
    view.setUint16(4, entries.length, true);
    view.setUint16(6, entries.length, true);
    view.setUint32(8, directoryBytes, true);
    view.setUint32(12, offset, true);
  });
  return new Uint8Array(Buffer.concat([...parts, ...directory, signature(0x06054b50), end]));
}

function header(bytes: number, fill: (view: DataView, at: number) => void): Uint8Array {
  const block = new Uint8Array(bytes);
  fill(new DataView(block.buffer), 0);
  return block;
}

function signature(value: number): Uint8Array {
  return header(4, (view) => view.setUint32(0, value, true));
}
