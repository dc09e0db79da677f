import type { Detector, GraphBuilder, GraphInputs, GraphValue } from './contract.ts';
import { ENERGY } from './logit-score.ts';
import { graphShaped, shapedScorer } from './shaped-scorer.ts';
import { countTop, findTop, type GraphTop, graphTop, type Top } from './shaping/prune.ts';

/** How a method treats a sample's activations, given its k largest. */
export interface PruningRule {
  readonly id: string;
  /** The factor for those that stay, or the value that replaces them. */
  readonly kept: (top: Top, kept: number) => { readonly factor: number } | { readonly value: number };
  /** Whether the others become zero; else they are treated alike. */
  readonly prunesOthers: boolean;
  readonly graph: (builder: GraphBuilder, inputs: GraphInputs, top: GraphTop, kept: number) => GraphValue;
}

/**
 * The energy of the logits of pruned or scaled features (the ASH family and SCALE). Needs no statistics; k is
 * counted from the percentage `percent` by `countTop`.
 */
export function pruningDetector(percent: number, rule: PruningRule): Omit<Detector, 'spec'> {
  const smoothing = { kind: 'none' } as const;
  return {
    // biome-ignore lint/correctness/useYield: no statistics are needed, so no pass is asked for
    *fit({ head }) {
      countTop(rule.id, head.width, percent);
      return {};
    },
    prepare: (head, tensors) => {
      const { width } = head;
      const kept = countTop(rule.id, width, percent);
      const scratch = new Float64Array(width);
      return shapedScorer(head, tensors, {
        shape: (features, at, _predicted, out, outAt) => {
          const top = findTop(features, at, width, kept, scratch);
          const treatment = rule.kept(top, kept);
          let ties = top.ties;
          for (let l = 0; l < width; l++) {
            const value = features[at + l]!;
            const isTop = value > top.threshold || (value === top.threshold && ties-- > 0);
            if (!isTop && rule.prunesOthers) out[outAt + l] = 0;
            else out[outAt + l] = 'factor' in treatment ? value * treatment.factor : treatment.value;
          }
        },
        smoothing,
        score: ENERGY,
      });
    },
    graph: (builder, inputs, head, tensors) => {
      const kept = countTop(rule.id, head.width, percent);
      const top = graphTop(builder, inputs.features, head.width, kept);
      const shaped = rule.graph(builder, inputs, top, kept);
      return graphShaped(builder, inputs, head, tensors, { shaped, smoothing, score: ENERGY });
    },
  };
}
