import { HimplosError } from '../../shared/errors.ts';
import { ALL, chooseDetectors } from '../calibration/choose-method.ts';
import { type Comparison, compareMethods } from '../calibration/compare-methods.ts';
import { gatherInputs, type InputOptions } from '../calibration/gather-inputs.ts';
import type { Io } from '../io.ts';
import { formatResults, type ResultFormat } from '../results/format-results.ts';
import { measureId, separate } from '../results/measure.ts';
import type { Results } from '../results/results.ts';
import { requireVacantFile, writeNewFile } from '../write-file.ts';

export interface CompareOptions extends InputOptions {
  /** Specs, or `all`, which is the default. */
  readonly methods?: readonly string[];
  readonly format: ResultFormat;
  readonly out?: string;
}

/** `himplos compare`: fits methods on the training data and measures all of them on the same sets. */
export async function compare(options: CompareOptions, io: Io): Promise<number> {
  const { out, format } = options;
  if (out !== undefined) await requireVacantFile(out);
  if (options.ood === undefined) {
    throw new HimplosError('bad-usage', 'compare needs at least one --ood NAME=SOURCE to measure on', {
      hint: 'for example --ood textures=data/textures.tar.gz',
    });
  }
  const detectors = chooseDetectors(options.methods ?? [ALL]);
  await using inputs = await gatherInputs(options, io);
  const results = resultsOf(await compareMethods(detectors, inputs, io));
  const text = formatResults(results, format);
  if (out === undefined) io.stdout.write(text);
  else await writeNewFile(out, new TextEncoder().encode(text), io.signal);
  return 0;
}

function resultsOf({ methods: compared, skipped, warnings, idSet }: Comparison): Results {
  const [first] = compared;
  if (first === undefined) {
    throw new HimplosError(
      'bad-input',
      `no method could be fitted: ${skipped.map(({ method, reason }) => `${method}: ${reason}`).join('; ')}`,
      { hint: 'compare other methods, or give them the data they miss' },
    );
  }
  return {
    rows: compared.flatMap(({ spec, id, ood }) => separate(spec, id, ood)),
    id: { ...measureId(first.id, idSet.labels, undefined) },
    skipped,
    warnings,
  };
}
