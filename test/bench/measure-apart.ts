import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a process of its own measured. */
export interface Run {
  readonly rows: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  /** Resident at most. */
  readonly megabytes: number;
  /** Of the first partial of the first pass. */
  readonly partialMegabytes: number;
}

/** Runs a bench's own file as another process; resolves to what {@link measureRun} printed there, if it was called. */
export function startRun(bench: string, ...options: readonly string[]): Run {
  const { status, stdout } = spawnSync(process.execPath, [bench, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${options.join(' ')}: exit status ${status}`);
  return JSON.parse(stdout || 'null') as Run;
}

/** Prints what `work` takes, which resolves to a number of rows and leaves partials in the folder, or finds them there. */
export async function measureRun(work: () => Promise<number>, partials: string): Promise<void> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const rows = await work();
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const [file] = readdirSync(join(partials, 'pass-1'));
  const run: Run = {
    ...{ rows, seconds, processorSeconds: (user + system) / 1e6 },
    megabytes: process.resourceUsage().maxRSS / 1024,
    partialMegabytes: statSync(join(partials, 'pass-1', file!)).size / 1e6,
  };
  console.log(JSON.stringify(run));
}

/** One line: each quantity as `median (min … max)`. */
export function reportRuns(name: string, runs: readonly Run[]): void {
  const { rows, partialMegabytes } = runs[0]!;
  const facts = [
    spread(runs, 's', 2, ({ seconds }) => seconds),
    spread(runs, 'rows/s', 0, ({ seconds }) => rows / seconds),
    spread(runs, 's of processor time', 2, ({ processorSeconds }) => processorSeconds),
    spread(runs, 'MB resident at most', 0, ({ megabytes }) => megabytes),
  ];
  console.log(`  ${name}: ${rows} rows in ${facts.join(', ')}, ${partialMegabytes.toFixed(0)} MB a partial`);
}

/** Rows a second in the median run. */
export function medianRate(runs: readonly Run[]): number {
  const rates = runs.map(({ rows, seconds }) => rows / seconds).sort((a, b) => a - b);
  return rates[rates.length >> 1]!;
}

function spread(runs: readonly Run[], unit: string, digits: number, of: (run: Run) => number): string {
  const sorted = runs.map(of).sort((a, b) => a - b);
  const [min, median, max] = [0, sorted.length >> 1, sorted.length - 1].map((i) =>
    sorted[i]!.toFixed(digits),
  );
  return `${median} (${min} … ${max}) ${unit}`;
}
