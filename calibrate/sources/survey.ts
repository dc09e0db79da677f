import { HimplosError } from '../../shared/errors.ts';
import type { Survey } from './contract.ts';
import type { Finding } from './image-source.ts';
import type { SourceLimits } from './limits.ts';

/**
 * Counts what a walk over an image source finds.
 * Throws `bad-input` when there is no image at all, `too-large` past the bounds on entries and classes.
 */
export async function surveyFindings(
  address: string,
  findings: AsyncIterable<Finding>,
  limits: SourceLimits,
): Promise<Survey> {
  const classes = new Map<string, number>();
  const folders = new Set<string>();
  let samples = 0;
  let ignored = 0;
  let labelsAreIndices = true;
  for await (const finding of findings) {
    if (finding.kind === 'folder') folders.add(finding.label);
    else if (finding.kind === 'ignored') ignored++;
    else {
      samples++;
      const { label } = finding;
      if (label !== undefined) {
        classes.set(label, (classes.get(label) ?? 0) + 1);
        labelsAreIndices &&= finding.labelFrom === 'text' && isIndex(label);
      }
    }
    requireAtMost(samples + ignored, limits.entries, 'files', address);
    requireAtMost(Math.max(classes.size, folders.size), limits.classes, 'classes', address);
  }
  if (samples === 0) {
    throw new HimplosError('bad-input', `${address}: expected images, found none (${ignored} other files)`, {
      hint: 'images are files named .jpg, .jpeg, .png, .webp, .gif, .tif, .tiff or .avif',
    });
  }
  return {
    samples,
    classes,
    emptyClasses: [...folders].filter((folder) => !classes.has(folder)),
    labelsAreIndices: classes.size > 0 && labelsAreIndices,
    ignored,
  };
}

function isIndex(label: string): boolean {
  return /^(0|[1-9]\d{0,8})$/.test(label);
}

function requireAtMost(count: number, limit: number, what: string, address: string): void {
  if (count <= limit) return;
  throw new HimplosError('too-large', `${address}: more than ${limit} ${what}`, {
    hint: 'split it into several sources',
  });
}
