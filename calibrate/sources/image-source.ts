import type { ImageSource, Sample, Survey } from './contract.ts';
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
      /** The encoded image, being read; undefined when the walk was asked for names only. */
      readonly bytes: Promise<Uint8Array> | undefined;
    }
  | { readonly kind: 'folder'; readonly label: string }
  | { readonly kind: 'ignored' };

/** Goes through a source once, in its order; with `wantBytes` it also reads the images. */
export type Walk = (wantBytes: boolean) => AsyncIterable<Finding>;

/** Images read before they are asked for: enough to hide a disk's or a file server's latency. */
const READ_AHEAD = 8;

/** A source made of a way to walk through it. */
export function createImageSource(address: string, walk: Walk, limits: SourceLimits): ImageSource {
  let survey: Promise<Survey> | undefined;
  return {
    kind: 'images',
    address,
    survey: () => {
      survey ??= surveyFindings(address, walk(false), limits);
      return survey;
    },
    samples: () =>
      mapAhead(images(walk(true)), READ_AHEAD, async ({ name, label, bytes }): Promise<Sample> => {
        return { name, label, bytes: await bytes! };
      }),
  };
}

type Image = Extract<Finding, { readonly kind: 'image' }>;

async function* images(findings: AsyncIterable<Finding>): AsyncGenerator<Image> {
  for await (const finding of findings) if (finding.kind === 'image') yield finding;
}
