/** The part used here of a package that comes without types. */
declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  interface JpegDecoder {
    /** Room for an encoded image, in the decoder's own memory. */
    getEncodedBuffer(bytes: number): Uint8Array;
    /** Throws, also where the library only warns. */
    decode(): void;
    getFrameInfo(): { readonly width: number; readonly height: number };
    /** height × width × components bytes, in the decoder's own memory. */
    getDecodedBuffer(): Uint8ClampedArray;
  }

  export default function openCodec(): Promise<{ readonly JPEGDecoder: new () => JpegDecoder }>;
}
