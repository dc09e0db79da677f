import { type Header, pack } from 'tar-stream';

/** A file (name and content) or any other entry by its header. */
export type TarItem = readonly [name: string, content: Uint8Array | string] | Partial<Header>;

/** A tar archive of these entries. */
export async function makeTar(items: readonly TarItem[]): Promise<Buffer> {
  const archive = pack();
  for (const item of items) {
    // Fixed times: the same entries are the same bytes.
    if (Array.isArray(item)) archive.entry({ name: item[0], mtime: new Date(0) }, Buffer.from(item[1]));
    else archive.entry({ mtime: new Date(0), ...item } as Header);
  }
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}
