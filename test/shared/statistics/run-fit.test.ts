import { describe, expect, it } from 'vitest';
import { HimplosError } from '../../../shared/errors.ts';
import type { Detector } from '../../../shared/methods/contract.ts';
import type { SourceRows } from '../../../shared/statistics/batch-cutter.ts';
import {
  BATCH_ROWS,
  type Batch,
  blockRows,
  collect,
  type Reducer,
  type Statistic,
} from '../../../shared/statistics/contract.ts';
import { type FitOptions, runFit, runFits } from '../../../shared/statistics/run-fit.ts';
import { f64, type Tensors } from '../../../shared/tensor.ts';
import { logitsOf, portions } from '../methods/fit-and-score.ts';
import { makeProblem } from '../methods/sample-problem.ts';

const { head, train, calibration } = makeProblem();

describe('runFits', () => {
  it('shares passes: what several fits ask for at once is computed once', async () => {
    const log: string[] = [];
    const opened: string[] = [];
    const created: string[] = [];
    const one = statistic('one', 'train', { created });
    const two = statistic('two', 'train', { created });
    const last = statistic('last', 'calibration', { created });
    const outcomes = await runFits({
      ...options(opened),
      detectors: [
        detector(function* () {
          const { a } = yield* collect({ a: one, b: two });
          log.push(`first has ${a}`);
          const { c } = yield* collect({ c: last });
          return { c: scalar(c) };
        }),
        detector(function* () {
          const { x } = yield* collect({ x: one });
          return { x: scalar(x) };
        }),
        // biome-ignore lint/correctness/useYield: a fit that needs no data
        detector(function* () {
          return {};
        }),
      ],
      onProgress: ({ pass, over, rows }) => log.push(`${pass} ${over} ${rows}`),
    });
    expect(opened).toEqual(['train', 'calibration']);
    expect(created).toEqual(['one', 'two', 'last']);
    expect(outcomes.map(({ tensors }) => tensors)).toEqual([{ c: scalar(200) }, { x: scalar(700) }, {}]);
    expect(log.filter((line) => line.startsWith('1 train')).at(-1)).toBe('1 train 700');
    expect(log.at(-1)).toBe('2 calibration 200');
    expect(log).toContain('first has 700');
  });

  it('ends one fit with its error and finishes the others', async () => {
    const labels = train.labels.slice();
    labels[50] = -1;
    const failing = statistic('failing', 'train', {
      onBatch: ({ labels: own, firstRow }) => {
        if (own.includes(-1))
          throw new HimplosError('bad-input', `no label after row ${firstRow}`, { hint: 'label it' });
      },
    });
    const counting = statistic('counting', 'train');
    const [bad, good, unhappy] = await runFits({
      ...options(),
      openPass: () => portions({ ...train, labels }, head.width, 100),
      detectors: [
        detector(function* () {
          yield* collect({ failing, counting });
          return {};
        }),
        detector(function* () {
          const { n } = yield* collect({ n: counting });
          return { n: scalar(n) };
        }),
        detector(function* () {
          yield* collect({ counting });
          throw new HimplosError('unsupported', 'singular');
        }),
      ],
    });
    expect(bad!.error!.message).toBe('no label after row 0');
    expect(good!.tensors).toEqual({ n: scalar(700) });
    expect(unhappy!.error!.message).toBe('singular');
  });

  it('says which data a fit lacks', async () => {
    const needing = detector(function* () {
      yield* collect({ n: statistic('n', 'calibration') });
      return {};
    });
    const run = runFit(needing, { ...options(), totalRows: { train: 700, calibration: 0 } });
    await expect(run).rejects.toMatchObject({ code: 'bad-usage', hint: 'give --calibration' });
  });

  it('lets a bug through', async () => {
    const broken = detector(function* () {
      yield* collect({ n: statistic('n', 'train', { onBatch: () => [].at(0)!['x' as never] }) });
      return {};
    });
    await expect(runFit(broken, options())).rejects.toThrow(TypeError);
  });

  it('refuses a source that has other rows the second time', async () => {
    let rows = 700;
    const twice = detector(function* () {
      yield* collect({ n: statistic('n', 'train') });
      yield* collect({ m: statistic('m', 'train') });
      return {};
    });
    const run = runFit(twice, {
      ...options(),
      openPass: () => portions({ ...train, rows: rows-- }, head.width, 64),
    });
    await expect(run).rejects.toThrow('had 700 rows, and 699');
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    const run = runFit(counter(), {
      ...options(),
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
  });
});

describe('rows on their way to reducers', () => {
  it.each([1, 37, 128, 1000])('are cut at the same places when they arrive %i at a time', async (portion) => {
    const seen: string[] = [];
    const spy = statistic('spy', 'train', {
      onBatch: (batch) => {
        seen.push(`${batch.firstRow}+${batch.rows}`);
        const at = batch.firstRow * head.width;
        const end = at + batch.rows * head.width;
        expect(batch.features.slice(0, end - at)).toEqual(train.features.slice(at, end));
        expect(batch.labels.slice(0, batch.rows)).toEqual(
          train.labels.slice(batch.firstRow, batch.firstRow + batch.rows),
        );
        const logits = logitsOf(head, train.features.slice(at, end), batch.rows);
        expect(batch.logits().slice(0, logits.length)).toEqual(logits);
        expect(batch.logits()).toBe(batch.logits());
      },
      onEnd: (block) => seen.push(`end ${block}`),
    });
    await runFit(
      detector(function* () {
        yield* collect({ spy });
        return {};
      }),
      { ...options(), openPass: () => portions(train, head.width, portion) },
    );
    expect(blockRows(700, head.classes)).toBe(BATCH_ROWS);
    expect(seen).toEqual(
      [0, 1, 2, 3, 4, 5].flatMap((block) => [
        `${block * 128}+${Math.min(128, 700 - block * 128)}`,
        `end ${block}`,
      ]),
    );
  });

  it('may have gaps where rows were skipped, whole blocks long too', async () => {
    const seen: string[] = [];
    const spy = statistic('spy', 'train', {
      onBatch: ({ firstRow, rows }) => seen.push(`${firstRow}+${rows}`),
      onEnd: (block) => seen.push(`end ${block}`),
    });
    await runFit(
      detector(function* () {
        yield* collect({ spy });
        return {};
      }),
      {
        ...options(),
        openPass: async function* () {
          for (const [firstRow, rows] of [
            [0, 5],
            [5, 2],
            [9, 1],
            [400, 300],
          ] as const) {
            yield { rows, firstRow, features: new Float32Array(rows * head.width) };
          }
        },
      },
    );
    const expected = [
      '0+7',
      '9+1',
      'end 0',
      'end 1',
      'end 2',
      '400+112',
      'end 3',
      '512+128',
      'end 4',
      '640+60',
      'end 5',
    ];
    expect(seen).toEqual(expected);
  });

  it.each<[string, Partial<SourceRows>, RegExp]>([
    [
      'a label that is no class',
      { labels: Int32Array.of(0, 6) },
      /row 11: expected a class index below 6, got 6/,
    ],
    ['a label below −1', { labels: Int32Array.of(-2, 0) }, /row 10/],
    ['rows out of order', { firstRow: 9 }, /expected rows 10 to 699/],
    ['more rows than announced', { firstRow: 699 }, /rows 699 to 700/],
    ['too few numbers', { features: new Float32Array(2 * head.width - 1) }, /2 × 24 features, got 47/],
  ])('with %s are refused', async (_, wrong, message) => {
    const run = runFit(counter(), {
      ...options(),
      openPass: async function* () {
        yield { rows: 10, firstRow: 0, features: new Float32Array(10 * head.width) };
        yield { rows: 2, firstRow: 10, features: new Float32Array(2 * head.width), ...wrong };
      },
    });
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toMatchObject({ code: 'bad-input', hint: expect.stringMatching(/\S/) });
  });

  it('that never come are an error', async () => {
    const run = runFit(counter(), { ...options(), openPass: async function* () {} });
    await expect(run).rejects.toThrow('expected 700 rows, got none');
  });
});

function options(opened: string[] = []): Omit<FitOptions, 'detectors'> {
  return {
    head,
    totalRows: { train: train.rows, calibration: calibration.rows },
    openPass: (over) => {
      opened.push(over);
      return portions(over === 'train' ? train : calibration, head.width, 100);
    },
  };
}

function detector(fit: Detector['fit']): Detector {
  return { spec: 'test', fit, prepare: () => ({ score: () => {} }) };
}

function counter(): Detector {
  return detector(function* () {
    const { n } = yield* collect({ n: statistic('n', 'train') });
    return { n: scalar(n) };
  });
}

function scalar(value: number): Tensors[string] {
  return f64(Float64Array.of(value));
}

/** Counts rows, and tells what happens. */
function statistic(
  key: string,
  over: 'train' | 'calibration',
  spies: {
    readonly created?: string[];
    readonly onBatch?: (batch: Batch) => void;
    readonly onEnd?: (block: number) => void;
  } = {},
): Statistic<number> {
  return {
    key,
    over,
    create: (): Reducer<number> => {
      spies.created?.push(key);
      let rows = 0;
      return {
        add: (batch) => {
          spies.onBatch?.(batch);
          rows += batch.rows;
        },
        endBlock: (block) => spies.onEnd?.(block),
        merge: () => {},
        save: () => ({}),
        result: () => rows,
      };
    },
  };
}
