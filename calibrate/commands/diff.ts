import type { Io } from '../io.ts';
import { drawTable } from '../results/draw-table.ts';
import { percent } from '../results/format-results.ts';
import { compareVersions } from '../versions/compare-versions.ts';
import { type Difference, diffVersions, type VersionDiff } from '../versions/diff.ts';
import { readVersion } from '../versions/measure-version.ts';
import { resolveVersion } from '../versions/resolve-version.ts';
import { openNamedStore, requireDetectorName, type StoreOptions } from './store-options.ts';

export interface DiffOptions extends StoreOptions {
  readonly json?: boolean;
}

/** `himplos diff`: how one version differs from another. */
export async function diff(first: string, second: string, options: DiffOptions, io: Io): Promise<number> {
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const { signal } = io;
  const read = async (reference: string) =>
    readVersion(store, detector, await resolveVersion(store, detector, reference, { signal }), { signal });
  const before = await read(first);
  const after = await read(second);
  const difference = diffVersions({ ...(await compareVersions(before, after, { signal })), before });
  const versions = [before.detector.version, after.detector.version] as const;
  if (options.json) {
    io.stdout.write(
      `${JSON.stringify({ before: versions[0], after: versions[1], ...difference }, null, 2)}\n`,
    );
  } else io.stdout.write(describe(difference, versions));
  return 0;
}

function describe(difference: VersionDiff, [before, after]: readonly [string, string]): string {
  const { parameters, figures, measuredOn, changedDecisions, evaluation } = difference;
  const header = ['', before.slice(0, 12), after.slice(0, 12)];
  const lines = [
    ...parameters.map((line) => cells(line, String)),
    ...figures.map((line) =>
      cells(line, (value) => (typeof value === 'number' ? `${percent(value)} %` : value)),
    ),
  ];
  const reasons = {
    same: '',
    different: ' (the versions keep different evaluation rows)',
    absent: ' (a version keeps no evaluation rows)',
  };
  const changed =
    changedDecisions === null
      ? `decisions could not be compared${reasons[evaluation]}`
      : `${percent(changedDecisions)} % of decisions differ`;
  return `${drawTable(header, lines)}\nfigures from ${measuredOn}; ${changed}\n`;
}

function cells({ what, before, after }: Difference, show: (value: string | number) => string): string[] {
  const cell = (value: string | number | null) => (value === null ? '–' : shorten(show(value)));
  return [what, cell(before), cell(after)];
}

/** Digests and lists of names are long; the JSON has all of them. */
function shorten(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text.slice(0, 12);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
