import { HimplosError } from '../../shared/errors.ts';
import { DigestSet } from './digest-set.ts';

/** Contents that stand in two roles. */
export interface Overlap {
  /** The two roles, in the order in which they first appeared. */
  readonly roles: readonly [string, string];
  /** Different contents that stand in both. */
  readonly count: number;
  /** `count` over the different contents of the smaller role: the share of a held-out set that is not held out. */
  readonly share: number;
  /** Names, in the later role, of up to three of them. */
  readonly examples: readonly string[];
}

/**
 * Finds images, or feature rows, that stand in two roles (training, calibration, …), by content: a classifier
 * has seen its training images, so a threshold set on them is too high. Keeps 16 to 32 bytes a content; see
 * {@link DigestSet} for the chance of a false find. Contents may come in any order, each role once through.
 */
export class OverlapFinder {
  readonly #roles = new Map<string, DigestSet>();
  readonly #shared = new Map<string, { roles: [string, string]; count: number; examples: string[] }>();

  /**
   * @param role which set the content is in
   * @param digest sha256 of the encoded image, or of the bytes of the feature row
   * @param name what to call it in `examples`
   */
  add(role: string, digest: Uint8Array, name: string): void {
    let own = this.#roles.get(role);
    if (own === undefined) {
      own = new DigestSet();
      this.#roles.set(role, own);
    }
    if (!own.add(digest)) return;
    for (const [other, digests] of this.#roles) {
      if (other !== role && digests.has(digest)) this.#note(other, role, name);
    }
  }

  /** Pairs of roles that share contents, the largest share first. */
  overlaps(): readonly Overlap[] {
    const size = (role: string) => this.#roles.get(role)!.size;
    return [...this.#shared.values()]
      .map(({ roles, count, examples }) => {
        return { roles, count, share: count / Math.min(size(roles[0]), size(roles[1])), examples };
      })
      .sort((a, b) => b.share - a.share);
  }

  #note(other: string, role: string, name: string): void {
    const names = [...this.#roles.keys()];
    const roles: [string, string] =
      names.indexOf(other) < names.indexOf(role) ? [other, role] : [role, other];
    const key = JSON.stringify(roles);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { roles, count: 0, examples: [] };
      this.#shared.set(key, shared);
    }
    shared.count++;
    if (shared.examples.length < 3) shared.examples.push(name);
  }
}

/** The share of a role that may stand in another one without being asked for. */
const MAX_SHARE = 0.01;

/**
 * Refuses roles that share more than 1 % of the smaller one, unless `allowOverlap`. Published data sets
 * have a few duplicates of their own: those are only reported. Throws `bad-input` naming roles, count and an example.
 */
export function requireHeldOut(overlaps: readonly Overlap[], allowOverlap: boolean): void {
  const worst = overlaps.find(({ share }) => share > MAX_SHARE);
  if (worst === undefined || allowOverlap) return;
  const { roles, count, share, examples } = worst;
  throw new HimplosError(
    'bad-input',
    `${roles[0]} and ${roles[1]} share ${count} contents, ${(100 * share).toFixed(1)} % of the smaller: expected at most ${100 * MAX_SHARE} % (for example ${examples[0]})`,
    {
      hint: 'hold out images that no other role uses, or accept a threshold that is too high: --allow-overlap',
    },
  );
}
