import { abortable } from './abortable.ts';
import type { ImageSource, Sample, SampleRange, Survey } from './contract.ts';
import type { SourceLimits } from './limits.ts';
import { mapAhead } from './map-ahead.ts';
import { surveyFindings } from './survey.ts';

/** Something met on the way through a source. */
export type Finding =
  | {
      readonly kind: 'image';
      readonly name: string;
      readonly label: string | undefined;
      /** Whether the label is the name of a folder or was read from a file. */
      readonly labelFrom: 'folder' | 'text';
      /** The encoded image; not to be called when the walk was asked for names only. */
      readonly read: () => Promise<Uint8Array>;
    }
  | { readonly kind: 'folder'; readonly label: string }
  | { readonly kind: 'ignored' };

/** Goes through a source once, in its order. Without `wantBytes` no image is read. */
export type Walk = (wantBytes: boolean) => AsyncIterable<Finding>;

/** Images read before they are asked for: enough to hide a disk's or a file server's latency. */
const READ_AHEAD = 8;

/** A source made of a way to walk through it; `signal` ends every walk, also one that is waiting for a file. */
export function createImageSource(
  address: string,
  walk: Walk,
  limits: SourceLimits,
  signal: AbortSignal | undefined,
  readAhead: number = READ_AHEAD,
): ImageSource {
  let survey: Promise<Survey> | undefined;
  return {
    kind: 'images',
    address,
    survey: () => {
      survey ??= surveyFindings(address, abortable(walk(false), signal), limits);
      return survey;
    },
    samples: (range) => {
      const samples = mapAhead(
        images(walk(true), range),
        readAhead,
        async ({ name, label, read }): Promise<Sample> => {
          return { name, label, bytes: await read() };
        },
      );
      return abortable(samples, signal);
    },
  };
}

type Image = Extract<Finding, { readonly kind: 'image' }>;

async function* images(findings: AsyncIterable<Finding>, range?: SampleRange): AsyncGenerator<Image> {
  const { first, end } = range ?? { first: 0, end: Number.POSITIVE_INFINITY };
  if (first >= end) return;
  let position = 0;
  for await (const finding of findings) {
    if (finding.kind !== 'image') continue;
    if (position >= first) yield finding;
    if (++position >= end) return;
  }
}
