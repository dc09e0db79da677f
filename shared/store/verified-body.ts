import { createHash } from 'node:crypto';
import { badArtifact } from '../artifact/bad-artifact.ts';
import type { ManifestEntry } from '../artifact/manifest.ts';
import { bodyChunks, type ObjectBody, type StreamBody } from './object-store.ts';

/** A body that ends with `bad-artifact` instead of its last chunk unless it is what the manifest says. */
export function verifiedBody(entry: ManifestEntry, body: ObjectBody): StreamBody {
  async function* open(): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    let bytes = 0;
    let held: Uint8Array | undefined;
    for await (const chunk of bodyChunks(body)) {
      hash.update(chunk);
      bytes += chunk.length;
      if (bytes > entry.bytes) break;
      if (held !== undefined) yield held;
      held = chunk;
    }
    const digest = hash.digest('hex');
    if (bytes !== entry.bytes || digest !== entry.sha256) {
      throw badArtifact(
        `${entry.name}: expected ${entry.bytes} bytes with SHA-256 ${entry.sha256.slice(0, 12)}…, got ${bytes > entry.bytes ? 'more' : `${bytes} with ${digest.slice(0, 12)}…`}`,
      );
    }
    if (held !== undefined) yield held;
  }
  return { bytes: entry.bytes, sha256: entry.sha256, open };
}
