/** One candidate's times, in milliseconds. */
export interface Timing {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Times candidates in turn, round after round, so that a busy spell of the machine hits all of them alike. Each runs
 * once before, to warm up. `run` may return the milliseconds it measured itself; else its whole duration counts.
 */
export async function timeInTurn(
  candidates: Readonly<Record<string, () => unknown>>,
  rounds: number,
): Promise<Timing[]> {
  const names = Object.keys(candidates);
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const start = performance.now();
      const own = await candidates[name]!();
      const elapsed = typeof own === 'number' ? own : performance.now() - start;
      if (round >= 0) times.get(name)!.push(elapsed);
    }
  }
  return names.map((name) => {
    const sorted = times.get(name)!.sort((a, b) => a - b);
    return { name, median: sorted[sorted.length >> 1]!, min: sorted[0]!, max: sorted.at(-1)! };
  });
}

/** How much longer one thing takes than another, in percent. */
export interface Overhead {
  /** Lower quartile, median and upper quartile over pairs of blocks: the machine's noise shows in how far they lie apart. */
  readonly pairs: readonly [number, number, number];
  /** Between the fastest tenths of all runs of each, which other processes disturb least. */
  readonly fastest: number;
  /** The peer's median. */
  readonly peerMs: number;
}

/**
 * Times two things one after the other, in blocks of some runs, as many pairs of blocks as wanted. Each block begins
 * with a run that does not count: in use, neither finds the caches full of the other's data. Which comes first
 * changes, so that a drift of the machine's speed evens out.
 */
export async function measureOverhead(
  ours: () => Promise<unknown>,
  peer: () => Promise<unknown>,
  { pairs, runs }: { readonly pairs: number; readonly runs: number },
): Promise<Overhead> {
  const all = { ours: [] as number[], peer: [] as number[] };
  const block = async (work: () => Promise<unknown>, into: number[]) => {
    await work();
    const times: number[] = [];
    for (let run = 0; run < runs; run++) {
      const started = performance.now();
      await work();
      times.push(performance.now() - started);
    }
    into.push(...times);
    return quantile(times, 0.5);
  };
  const ratios: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const first = pair % 2 === 0 ? await block(ours, all.ours) : undefined;
    const theirs = await block(peer, all.peer);
    ratios.push(percentOver(first ?? (await block(ours, all.ours)), theirs));
  }
  return {
    pairs: [quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75)],
    fastest: percentOver(quantile(all.ours, 0.1), quantile(all.peer, 0.1)),
    peerMs: quantile(all.peer, 0.5),
  };
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;
}

function percentOver(value: number, other: number): number {
  return 100 * (value / other - 1);
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One line a candidate: `name  median ms (min … max)  amount per second  ratio to the last`. */
export function report(
  title: string,
  timings: readonly Timing[],
  units?: { readonly count: number; readonly unit: string },
): void {
  const peer = timings.at(-1)!;
  console.log(`\n${title}`);
  for (const { name, median, min, max } of timings) {
    const rate = units === undefined ? '' : `, ${((1000 * units.count) / median).toFixed(0)} ${units.unit}/s`;
    const ratio =
      name === peer.name ? '' : `, ${(median / peer.median).toFixed(2)} × the time of ${peer.name}`;
    console.log(`  ${name}: ${median.toFixed(3)} ms (${min.toFixed(3)} … ${max.toFixed(3)})${rate}${ratio}`);
  }
}
