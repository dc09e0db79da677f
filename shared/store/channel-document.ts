import { HimplosError } from '../errors.ts';
import { canonicalJson } from '../formats/canonical-json.ts';
import { list, nullable, object, oneOf, type Shape, text, whole } from '../formats/json-shape.ts';
import { parseStrictJson } from '../formats/strict-json.ts';
import { MAX_CHANNEL_BYTES } from './channel-key.ts';

/** Where a channel points, and everywhere it has pointed: the content of `<channel>.json`. */
export interface ChannelDocument {
  readonly formatVersion: 1;
  /** 1 for the first promotion, one more for each change. */
  readonly generation: number;
  readonly version: string;
  /** SHA-256 of the version's manifest.json. */
  readonly manifestSha256: string;
  /** The version a rollback leads to; null when there is none. */
  readonly previous: string | null;
  /** Every change, oldest first; the last one is the current state. */
  readonly history: readonly ChannelChange[];
}

/** One change of a channel. */
export interface ChannelChange {
  readonly generation: number;
  readonly version: string;
  readonly manifestSha256: string;
  readonly action: 'promote' | 'rollback';
  /** The generation whose version a rollback of this one leads to. */
  readonly returnsTo: number | null;
  /** Unique, so that a writer whose answer was lost can see whether its change took place. */
  readonly id: string;
  /** ISO 8601, by the clock of who made the change. */
  readonly at: string;
  /** Who made it, in their own words. */
  readonly by: string | null;
  /** Why, in particular why quality gates were overridden. */
  readonly reason: string | null;
  /** Whether quality gates were overridden. */
  readonly isForced: boolean;
}

/** The document after one more change. Throws `too-large` when the history would no longer fit. */
export function encodeChannel(history: readonly ChannelChange[]): Uint8Array {
  const current = history.at(-1)!;
  const { generation, version, manifestSha256, returnsTo } = current;
  const previous = history.find((change) => change.generation === returnsTo)?.version ?? null;
  const changes = history.map((change) => ({ ...change }));
  const text = canonicalJson({
    formatVersion: 1,
    generation,
    version,
    manifestSha256,
    previous,
    history: changes,
  });
  const bytes = new TextEncoder().encode(`${text}\n`);
  if (bytes.length > MAX_CHANNEL_BYTES) {
    throw new HimplosError(
      'too-large',
      `the channel has seen ${history.length} changes, more than its file may hold`,
      {
        hint: 'start a new channel',
      },
    );
  }
  return bytes;
}

/** Reads a channel's file: known fields only, an unbroken history that ends in the current state. Throws `bad-artifact`. */
export function decodeChannel(bytes: Uint8Array, address: string): ChannelDocument {
  let value: unknown;
  try {
    value = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw damaged(address, 'it is not valid JSON', cause);
  }
  if (shape(value) !== undefined)
    throw damaged(address, 'it does not have the fields of a channel of format 1');
  const document = value as ChannelDocument;
  const isUnbroken = document.history.every(
    ({ generation, returnsTo }, i) => generation === i + 1 && (returnsTo === null || returnsTo < generation),
  );
  if (!isUnbroken || document.history.length === 0) throw damaged(address, 'its history has gaps');
  const expected = encodeChannel(document.history);
  if (expected.length !== bytes.length || expected.some((byte, i) => byte !== bytes[i])) {
    throw damaged(address, 'it does not follow from its history');
  }
  return document;
}

function damaged(address: string, what: string, cause?: unknown): HimplosError {
  return new HimplosError('bad-artifact', `${address}: ${what}`, {
    hint: 'it was changed by hand or by another version of himplos; restore it from a backup, or promote to a new channel',
    cause,
  });
}

const sha256 = text(64, 64, /^[0-9a-f]{64}$/);
const generation = whole(1);
const sentence = nullable(text(0, 1000));

const shape: Shape<ChannelDocument> = object<ChannelDocument>({
  formatVersion: oneOf(1),
  generation,
  version: sha256,
  manifestSha256: sha256,
  previous: nullable(sha256),
  history: list(
    object<ChannelChange>({
      generation,
      version: sha256,
      manifestSha256: sha256,
      action: oneOf('promote', 'rollback'),
      returnsTo: nullable(generation),
      id: text(1, 100),
      at: text(20, 30, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/),
      by: sentence,
      reason: sentence,
      isForced: oneOf(false, true),
    }),
  ),
});
