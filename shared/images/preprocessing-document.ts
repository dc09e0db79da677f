import { z } from 'zod';
import { HimplosError } from '../errors.ts';
import { MAX_OUTPUT_SIDE } from './geometry.ts';
import type { Preprocessing } from './preprocessing.ts';

const side = z.int().min(1).max(MAX_OUTPUT_SIDE);
// Beyond these float32 loses the value or divides by nothing.
const mean = z.number().min(-1e6).max(1e6);
const std = z.number().min(1e-6).max(1e6);

/** What is accepted as preprocessing in JSON: every key there, no other, sides 1 … 4096, std 1e-6 … 1e6. */
const preprocessingSchema: z.ZodType<Preprocessing> = z.strictObject({
  resize: z.union([
    z.strictObject({ shorter: side }),
    z.strictObject({ height: side, width: side }),
    z.null(),
  ]),
  crop: side.nullable(),
  mean: z.tuple([mean, mean, mean]),
  std: z.tuple([std, std, std]),
});

/**
 * Preprocessing from parsed JSON.
 * @param where what the JSON was read from, for messages
 * @throws `bad-input` naming the key and what was expected
 */
export function parsePreprocessing(document: unknown, where: string): Preprocessing {
  const result = preprocessingSchema.safeParse(document);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new HimplosError(
    'bad-input',
    `${where}: preprocessing${issue.path.map((key) => `.${String(key)}`).join('')}: ${issue.message}`,
    { hint: `write it like ${JSON.stringify(presets.imagenet)}` },
  );
}

/** Preprocessing by name: what classifiers of these data sets are usually trained with. */
const presets = {
  imagenet: {
    resize: { shorter: 256 },
    crop: 224,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  cifar10: { resize: null, crop: null, mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
} as const satisfies Readonly<Record<string, Preprocessing>>;

/** Names that {@link findPreset} knows. */
export const presetNames: readonly string[] = Object.keys(presets);

/** The preset of that name, or undefined (it may be a file then). */
export function findPreset(name: string): Preprocessing | undefined {
  return Object.hasOwn(presets, name) ? presets[name as keyof typeof presets] : undefined;
}
