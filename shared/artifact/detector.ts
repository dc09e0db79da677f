import { HimplosError } from '../errors.ts';
import { canonicalJson, type Json } from '../formats/canonical-json.ts';
import { tensorBytes } from '../formats/element-types.ts';
import {
  encodeSafetensors,
  encodeSafetensorsHeader,
  parseSafetensorsHeader,
  type SafetensorsEntry,
  viewTensors,
} from '../formats/safetensors.ts';
import type { Head } from '../methods/contract.ts';
import { f32, f64, type Tensors } from '../tensor.ts';
import { badArtifact } from './bad-artifact.ts';
import { BIAS, checkDetectorTensors, methodId, SCORES, WEIGHT } from './detector-checks.ts';
import type { DetectorDocument } from './detector-document.ts';
import { checkDetectorDocument, parseDetectorDocument } from './detector-schema.ts';
import { sha256Hex } from './digest.ts';

/** A calibrated detector, in memory. */
export interface DetectorContents {
  readonly document: DetectorDocument;
  readonly head: Head;
  /** What the method's fit returned, names without the method's prefix. */
  readonly tensors: Tensors;
  /** Ascending. */
  readonly calibrationScores: Float64Array;
}

/** What a calibration knows; the rest of the document follows from the tensors. */
export type DetectorDraft = Omit<
  DetectorDocument,
  'formatVersion' | 'direction' | 'classes' | 'width' | 'headFingerprint' | 'tensors'
>;

/**
 * The bytes of detector.safetensors. The same parts give the same bytes. `calibrationScores` may come in any
 * order. Throws `bad-artifact` when the parts contradict each other or a number is not finite, so that nothing is
 * written that {@link decodeDetector} would refuse.
 */
export async function encodeDetector(parts: {
  readonly document: DetectorDraft;
  readonly head: Head;
  readonly tensors: Tensors;
  readonly calibrationScores: Float64Array;
}): Promise<Uint8Array> {
  const { head } = parts;
  const calibrationScores = parts.calibrationScores.slice().sort();
  const id = methodId(parts.document.method);
  const stored: Tensors = {
    [WEIGHT]: f32(head.weight, head.classes, head.width),
    [BIAS]: f32(head.bias, head.classes),
    [SCORES]: f64(calibrationScores, calibrationScores.length),
    ...Object.fromEntries(Object.entries(parts.tensors).map(([name, tensor]) => [`${id}.${name}`, tensor])),
  };
  const document = checkDetectorDocument({
    ...parts.document,
    formatVersion: 1,
    direction: 'higher-is-id',
    classes: head.classes,
    width: head.width,
    headFingerprint: await fingerprintHead(head),
    tensors: Object.fromEntries(
      Object.entries(stored).map(([name, { dtype, shape }]) => [name, { dtype, shape: [...shape] }]),
    ),
  });
  checkDetectorTensors(document, stored);
  return encodeSafetensors(stored, await makeMetadata(document));
}

/**
 * Reads detector.safetensors and checks all of it: layout, document, shapes, finite values, order of the
 * calibration scores, γ, head fingerprint. Tensors are views on `bytes` where alignment allows. A change of any
 * byte before the tensors is refused; changes inside tensors are what the manifest's SHA-256 is for (see
 * `loadDetector`). Throws `bad-artifact`.
 * @param isVerified the caller has found the SHA-256 of all bytes to be the version it wants. What reads
 * all bytes again (digests, finite numbers: 60 ms of a cold start at 16.6 MB) was checked when they were written.
 * @param begun what {@link decodeDetectorPreamble} has made of the same bytes
 */
export async function decodeDetector(
  bytes: Uint8Array,
  {
    isVerified = false,
    begun,
  }: { readonly isVerified?: boolean; readonly begun?: DetectorPreamble | undefined } = {},
): Promise<DetectorContents> {
  const { entries, document } = begun ?? (await decodeDetectorPreamble(bytes, bytes.length, { isVerified }));
  const stored = viewTensors(bytes, entries);
  checkDetectorTensors(document, stored, { skipsValues: isVerified });
  const { classes, width } = document;
  const head: Head = {
    classes,
    width,
    weight: stored[WEIGHT]!.data as Float32Array,
    bias: stored[BIAS]!.data as Float32Array,
  };
  if (!isVerified && (await fingerprintHead(head)) !== document.headFingerprint) {
    throw badArtifact('its head does not have the fingerprint of its document');
  }
  const prefix = `${methodId(document.method)}.`;
  const own = Object.entries(stored).filter(([name]) => name.startsWith(prefix));
  return {
    document,
    head,
    tensors: Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor])),
    calibrationScores: stored[SCORES]!.data as Float64Array,
  };
}

/** What stands before the tensors. */
export interface DetectorPreamble {
  readonly document: DetectorDocument;
  readonly entries: readonly SafetensorsEntry[];
}

/**
 * Reads what stands before the tensors, from the first bytes of a file of `fileBytes` (at least up to its
 * `safetensorsDataOffset`): what lists of versions show, without reading banks of features. Throws `bad-artifact`.
 */
export async function decodeDetectorPreamble(
  bytes: Uint8Array,
  fileBytes: number,
  { isVerified = false }: { readonly isVerified?: boolean } = {},
): Promise<DetectorPreamble> {
  const { entries, metadata } = asArtifact(() => parseSafetensorsHeader(bytes, fileBytes));
  const document = await readDocument(metadata, isVerified);
  // The writer is deterministic, so the header must be the very bytes it would write for this document.
  const { header } = encodeSafetensorsHeader(document.tensors, metadata);
  if (header.length > bytes.length || header.some((byte, i) => byte !== bytes[i])) {
    throw badArtifact('its header does not follow from its document');
  }
  return { document, entries };
}

/** A detector's identity: the SHA-256 of detector.safetensors, as 64 hexadecimal digits. */
export function detectorVersion(bytes: Uint8Array): Promise<string> {
  return sha256Hex(bytes);
}

/** SHA-256 of the head's weight bytes followed by its bias bytes. */
export function fingerprintHead(head: Head): Promise<string> {
  return sha256Hex(
    tensorBytes(f32(head.weight, head.weight.length)),
    tensorBytes(f32(head.bias, head.bias.length)),
  );
}

const DOCUMENT = 'himplos';
const DOCUMENT_DIGEST = 'himplos_sha256';

async function makeMetadata(document: DetectorDocument): Promise<Record<string, string>> {
  const text = canonicalJson(document as unknown as Json);
  return { [DOCUMENT]: text, [DOCUMENT_DIGEST]: await sha256Hex(new TextEncoder().encode(text)) };
}

async function readDocument(
  metadata: Readonly<Record<string, string>>,
  isVerified: boolean,
): Promise<DetectorDocument> {
  const { [DOCUMENT]: text, [DOCUMENT_DIGEST]: digest, ...others } = metadata;
  if (text === undefined || digest === undefined || Object.keys(others).length > 0) {
    throw badArtifact(`its metadata must have exactly the keys ${DOCUMENT} and ${DOCUMENT_DIGEST}`, {
      hint: 'this is a safetensors file, but not a detector written by himplos calibrate',
    });
  }
  if (!isVerified && (await sha256Hex(new TextEncoder().encode(text))) !== digest) {
    throw badArtifact('its document does not have the SHA-256 beside it');
  }
  return parseDetectorDocument(text);
}

function asArtifact<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof HimplosError)) throw cause;
    throw badArtifact(cause.message, { cause });
  }
}
