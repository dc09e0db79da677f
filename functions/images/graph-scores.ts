import type { DetectorContents } from '../../shared/artifact/detector.ts';
import type { Scores } from '../../shared/methods/contract.ts';
import { PrototypeCosine } from '../../shared/methods/smoothing.ts';
import type { ImageResults, ServingDetector } from '../http/service.ts';

/**
 * The detector with a scorer that knows what the graph has already said of these features: another pass over the
 * head's weights, which the classifier has driven out of the caches, costs twice as much as all of HIMPLoS in the graph
 * (rationale.md). What the graph does not say, cosine and flags, takes one product of L numbers. The detector is given
 * back as it is without scores of the graph, and for methods of another form than `MaskedHead`.
 */
export function withGraphScores(serving: ServingDetector, { scored }: ImageResults): ServingDetector {
  const { detector, contents } = serving;
  if (scored === undefined || detector.maskedHead === undefined || detector.refusedClasses !== undefined) {
    return serving;
  }
  const { width } = contents.head;
  const cosines = cosinesOf(serving);
  function score(features: Float32Array, rows: number, out: Scores): void {
    for (let row = 0; row < rows; row++) {
      const predicted = scored!.predicted[row]!;
      out.score[row] = scored!.score[row]!;
      out.predicted[row] = predicted;
      out.cosine[row] = cosines?.of(features, row * width, predicted) ?? Number.NaN;
      out.flags[row] = cosines?.flags ?? 0;
    }
  }
  const scorer = {
    // Asking for it would prepare a scorer that is not needed.
    get engine() {
      return serving.scorer.engine;
    },
    score,
  };
  return { ...serving, scorer };
}

/** The norms of all prototypes, computed once a version; undefined for a method that has none. */
const prepared = new WeakMap<DetectorContents, PrototypeCosine | undefined>();

function cosinesOf({ contents, detector }: ServingDetector): PrototypeCosine | undefined {
  if (!prepared.has(contents)) {
    const { head, tensors } = contents;
    const hasPrototypes = detector.maskedHead!(head, tensors).prototypes !== undefined;
    prepared.set(contents, hasPrototypes ? new PrototypeCosine(head, tensors) : undefined);
  }
  return prepared.get(contents);
}
