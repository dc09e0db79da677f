import { HimplosError } from '../../shared/errors.ts';
import type {
  FeatureRows,
  FeatureSource,
  ImageSource,
  Sample,
  SampleRange,
  Source,
  Survey,
} from './contract.ts';

/**
 * Several sources as one, one after the other. Image names get the address of their source in front, because two
 * sources may hold the same path.
 * Throws `bad-usage` for none, or for images beside features; `bad-input` for features of different widths, or
 * labels in some of them only.
 */
export function joinSources(sources: readonly Source[]): Source {
  const [first] = sources;
  if (first === undefined) {
    throw new HimplosError('bad-usage', 'expected a source, got none', {
      hint: 'name a folder, an archive, a list or a file of features',
    });
  }
  if (sources.length === 1) return first;
  const images = sources.filter((source) => source.kind === 'images');
  const features = sources.filter((source) => source.kind === 'features');
  if (features.length === 0) return joinImages(images);
  if (images.length === 0) return joinFeatures(features);
  throw new HimplosError(
    'bad-usage',
    `expected all sources of one role to be images or all features, got images in ${images[0]!.address} and features in ${features[0]!.address}`,
    { hint: 'compute the features of the images first: himplos features' },
  );
}

function joinImages(sources: readonly ImageSource[]): ImageSource {
  return {
    kind: 'images',
    address: joinAddresses(sources),
    survey: async () => {
      const surveys: Survey[] = [];
      for (const source of sources) surveys.push(await source.survey());
      return joinSurveys(surveys);
    },
    async *samples(range?: SampleRange): AsyncGenerator<Sample> {
      let before = 0;
      for (const source of sources) {
        // Counting a source takes a walk through it, which only a range needs.
        const count = range === undefined ? 0 : (await source.survey()).samples;
        const part = range && partOf(range, before, count);
        before += count;
        if (part !== undefined && part.first >= part.end) continue;
        for await (const sample of source.samples(part)) {
          const isWhole = sample.name === source.address; // one image by itself
          yield { ...sample, name: isWhole ? source.address : `${source.address}:${sample.name}` };
        }
      }
    },
  };
}

function joinSurveys(surveys: readonly Survey[]): Survey {
  const classes = new Map<string, number>();
  for (const survey of surveys) {
    for (const [label, count] of survey.classes) classes.set(label, (classes.get(label) ?? 0) + count);
  }
  const empty = new Set(surveys.flatMap(({ emptyClasses }) => emptyClasses));
  const labelled = surveys.filter((survey) => survey.classes.size > 0);
  return {
    samples: sum(surveys.map(({ samples }) => samples)),
    classes,
    emptyClasses: [...empty].filter((label) => !classes.has(label)),
    labelsAreIndices: labelled.length > 0 && labelled.every(({ labelsAreIndices }) => labelsAreIndices),
    ignored: sum(surveys.map(({ ignored }) => ignored)),
  };
}

function joinFeatures(sources: readonly FeatureSource[]): FeatureSource {
  const { width, address, labels } = sources[0]!;
  for (const other of sources) {
    if (other.width !== width) {
      throw new HimplosError(
        'bad-input',
        `${other.address}: expected rows of ${width} features, as in ${address}, got ${other.width}`,
        { hint: 'sources of one role hold features of one classifier' },
      );
    }
    if ((other.labels === undefined) !== (labels === undefined)) {
      const [without, having] = labels === undefined ? [address, other.address] : [other.address, address];
      throw new HimplosError('bad-input', `${without} has no labels, ${having} has`, {
        hint: 'give labels with all of them (features.npy:labels.npy) or with none',
      });
    }
  }
  return {
    kind: 'features',
    address: joinAddresses(sources),
    rows: sum(sources.map(({ rows }) => rows)),
    width,
    labels: labels === undefined ? undefined : concatenate(sources.map((source) => source.labels!)),
    async *batches(limit: number, range?: SampleRange): AsyncGenerator<FeatureRows> {
      let before = 0;
      for (const source of sources) {
        const part = range && partOf(range, before, source.rows);
        if (part === undefined || part.first < part.end) {
          for await (const rows of source.batches(limit, part)) {
            yield { ...rows, firstRow: before + rows.firstRow };
          }
        }
        before += source.rows;
      }
    },
  };
}

/** What of a range falls to a source of `count` samples that begins at `start`; empty where nothing does. */
function partOf({ first, end }: SampleRange, start: number, count: number): SampleRange {
  return { first: Math.max(0, first - start), end: Math.min(count, end - start) };
}

function joinAddresses(sources: readonly Source[]): string {
  return sources.map(({ address }) => address).join(', ');
}

function concatenate(parts: readonly Int32Array[]): Int32Array {
  const whole = new Int32Array(sum(parts.map(({ length }) => length)));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
