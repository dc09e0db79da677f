const EXTENSION = /\.(jpe?g|png|webp|gif|tiff?|avif|bmp)$/i;

/**
 * Whether a file's name says that it holds an image. BMP counts although it is not read, so that a folder of
 * them fails with the reason instead of seeming empty.
 */
export function isImageName(name: string): boolean {
  return EXTENSION.test(name);
}

/** Whether a file or folder is passed over wherever it stands: hidden ones and macOS archives' shadow files. */
export function isIgnoredName(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX';
}
