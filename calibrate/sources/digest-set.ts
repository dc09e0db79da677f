/**
 * A set of contents known by their sha256, of which it keeps the first 8 bytes: 16 to 32 bytes a member, flat in
 * memory whatever the contents are. Two different contents pass for equal with a chance of about n²/2⁶⁵ among n:
 * 5·10⁻⁸ for ImageNet's 1.3 million, 10⁻⁵ for 20 million.
 */
export class DigestSet {
  /** Open addressing with linear probing. A slot is two words of 32 bits, the first 0 in a free one. */
  #slots = new Uint32Array(2 * 1024);
  #size = 0;

  /** Different contents added. */
  get size(): number {
    return this.#size;
  }

  /**
   * @param digest sha256, 32 bytes
   * @returns whether it is new
   */
  add(digest: Uint8Array): boolean {
    const [low, high] = [lowOf(digest), highOf(digest)];
    const at = find(this.#slots, low, high);
    if (isTaken(this.#slots, at)) return false;
    this.#slots[at] = low;
    this.#slots[at + 1] = high;
    this.#size++;
    if (this.#size * 4 > this.#slots.length) this.#grow();
    return true;
  }

  has(digest: Uint8Array): boolean {
    return isTaken(this.#slots, find(this.#slots, lowOf(digest), highOf(digest)));
  }

  #grow(): void {
    const slots = this.#slots;
    const larger = new Uint32Array(slots.length * 2);
    for (let at = 0; at < slots.length; at += 2) {
      if (!isTaken(slots, at)) continue;
      const [low, high] = [slots[at]!, slots[at + 1]!];
      const to = find(larger, low, high);
      larger[to] = low;
      larger[to + 1] = high;
    }
    this.#slots = larger;
  }
}

/** Bytes 0 to 3; never 0, which marks a free slot. */
function lowOf(digest: Uint8Array): number {
  return wordAt(digest, 0) || 1;
}

/** Bytes 4 to 7. */
function highOf(digest: Uint8Array): number {
  return wordAt(digest, 4);
}

function wordAt(digest: Uint8Array, at: number): number {
  const word = digest[at]! | (digest[at + 1]! << 8) | (digest[at + 2]! << 16) | (digest[at + 3]! << 24);
  return word >>> 0;
}

function isTaken(slots: Uint32Array, at: number): boolean {
  return slots[at] !== 0;
}

/** Where the slot is that holds the content, or the free one where it belongs. */
function find(slots: Uint32Array, low: number, high: number): number {
  const mask = slots.length - 2; // a power of two, in steps of a slot
  let at = (2 * low) & mask;
  while (slots[at] !== 0 && (slots[at] !== low || slots[at + 1] !== high)) at = (at + 2) & mask;
  return at;
}
