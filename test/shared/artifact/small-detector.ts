import type { DetectorDraft } from '../../../shared/artifact/detector.ts';
import type { Head } from '../../../shared/methods/contract.ts';
import { f32, type Tensors, u8 } from '../../../shared/tensor.ts';

/** Parts of a small, valid detector, its numbers exact on every platform: 3 classes × 5 features, 39 calibration scores. */
export function smallDetector(): {
  readonly document: DetectorDraft;
  readonly head: Head;
  readonly tensors: Tensors;
  readonly calibrationScores: Float64Array;
} {
  const calibrationScores = Float64Array.from({ length: 39 }, (_, i) => ((i * 17) % 39) / 8 + 1);
  // TPR 0.95 of 39 scores: rank ⌊0.05 · 40⌋ = 2, γ halfway between the two smallest.
  const [lowest, second] = calibrationScores.toSorted();
  return {
    document: {
      toolVersion: '0.1.0',
      name: 'birds',
      method: 'himplos:mask=50,clip=1,smoothing=scale,score=energy',
      threshold: {
        gamma: (lowest! + second!) / 2,
        tpr: 0.95,
        rule: 'conformal-midpoint',
        calibrationScores: 39,
        index: 2,
      },
      classNames: ['crow', 'größe "x"', 'wren'],
      missingClasses: [1],
      model: { digest: 'a'.repeat(64), name: 'birds.onnx', headInput: '/features/Flatten_output_0' },
      preprocessing: {
        resize: { shorter: 256 },
        crop: 224,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
      },
      data: {
        train: { name: null, kind: 'images', digest: 'b'.repeat(64), count: 90, perClass: [60, 0, 30] },
        calibration: { name: null, kind: 'images', digest: 'c'.repeat(64), count: 39, perClass: null },
        evaluation: {
          name: null,
          kind: 'features',
          digest: 'd'.repeat(64),
          count: 20,
          perClass: [10, 0, 10],
        },
        ood: [{ name: 'textures', kind: 'images', digest: 'e'.repeat(64), count: 12, perClass: null }],
      },
      metrics: {
        id: { on: 'evaluation', n: 20, accuracy: 0.9, coverage: 0.95 },
        ood: [
          {
            name: 'textures',
            n: 12,
            fpr95: 0.25,
            fpr95_ood: 1 / 3,
            auroc: 0.9321,
            aupr_in: 0.96,
            aupr_out: 0.87,
          },
        ],
      },
      warnings: ['class größe "x" has no training images'],
    },
    head: {
      classes: 3,
      width: 5,
      weight: Float32Array.from({ length: 15 }, (_, i) => (((i * 7) % 15) - 7) / 8),
      bias: Float32Array.of(0.1, -0.2, 0.05),
    },
    tensors: {
      prototypes: f32(
        Float32Array.from({ length: 15 }, (_, i) => ((i * 4) % 15) / 16),
        3,
        5,
      ),
      mask: u8(Uint8Array.of(0b10101, 0b00011, 0b11100), 3, 1),
    },
    calibrationScores,
  };
}
