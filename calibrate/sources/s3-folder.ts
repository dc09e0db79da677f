import { HimplosError } from '../../shared/errors.ts';
import type { CallOptions, ObjectStore } from '../../shared/store/object-store.ts';
import { isIgnoredName, isImageName } from './image-names.ts';
import type { Finding, Walk } from './image-source.ts';
import type { SourceLimits } from './limits.ts';

/**
 * What lies below a prefix as a folder of class folders, or of images without labels: as `openClassFolders`, in the
 * order of the keys' UTF-8 bytes. Only one page of names is in memory. Throws `not-found` when there is nothing; the
 * walk throws `bad-input` for images beside class folders with images.
 */
export async function openS3Folder(
  store: ObjectStore,
  limits: SourceLimits,
  call: CallOptions,
): Promise<Walk> {
  for await (const _ of store.list('', call)) return () => walk(store, limits, call);
  throw new HimplosError('not-found', `${store.address}: there is nothing below this prefix`, {
    hint: 'check the address, and that the credentials allow s3:ListBucket',
  });
}

async function* walk(store: ObjectStore, limits: SourceLimits, call: CallOptions): AsyncGenerator<Finding> {
  const maxBytes = limits.imageBytes;
  let last: string | undefined;
  let flat: string | undefined;
  let nested: string | undefined;
  for await (const { key } of store.list('', call)) {
    const folders = key.split('/');
    const name = folders.pop()!;
    if (folders.length > limits.depth) {
      throw new HimplosError('too-large', `${store.address}/${key}: more than ${limits.depth} folders deep`, {
        hint: 'is it a data set?',
      });
    }
    const isHidden = [...folders, name].some(isIgnoredName);
    const [label] = folders;
    if (!isHidden && label !== undefined && label !== last) yield { kind: 'folder', label };
    if (!isHidden) last = label;
    if (isHidden || !isImageName(name)) {
      yield { kind: 'ignored' };
      continue;
    }
    if (label === undefined) flat = key;
    else nested = key;
    if (flat !== undefined && nested !== undefined) {
      throw new HimplosError(
        'bad-input',
        `${store.address}: expected either images or class folders, got ${flat} beside ${nested}`,
        { hint: 'move the loose images away, or into a class folder' },
      );
    }
    const read = async () => (await store.get(key, { ...call, maxBytes })).body;
    yield { kind: 'image', name: key, label, labelFrom: 'folder', read };
  }
}
