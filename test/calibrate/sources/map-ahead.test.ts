import { describe, expect, it } from 'vitest';
import { abortable } from '../../../calibrate/sources/abortable.ts';
import { mapAhead } from '../../../calibrate/sources/map-ahead.ts';
import { HimplosError } from '../../../shared/errors.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';

async function* count(to: number, log: string[] = []): AsyncGenerator<number> {
  try {
    for (let i = 0; i < to; i++) yield i;
  } finally {
    log.push('closed');
  }
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

async function gather<T>(items: AsyncIterable<T>, into: T[] = []): Promise<T[]> {
  for await (const item of items) into.push(item);
  return into;
}

describe('mapping ahead', () => {
  it('keeps the order, whichever is done first', async () => {
    const slowFirst = async (i: number) => {
      for (let turns = 20 - i; turns > 0; turns--) await tick();
      return i * 10;
    };
    expect(await gather(mapAhead(count(20), 6, slowFirst))).toEqual(
      Array.from({ length: 20 }, (_, i) => i * 10),
    );
  });

  it('has no more under way than it may', async () => {
    let underWay = 0;
    let most = 0;
    await gather(
      mapAhead(count(30), 4, async () => {
        most = Math.max(most, ++underWay);
        await tick();
        underWay--;
      }),
    );
    expect(most).toBe(4);
  });

  it('fails at the place of the first failure', async () => {
    const seen: number[] = [];
    const log: string[] = [];
    const failing = mapAhead(count(9, log), 5, async (i) => {
      if (i >= 3) throw new HimplosError('bad-input', `item ${i}`);
      await tick();
      return i;
    });
    expect((await rejectionOf(gather(failing, seen))).message).toBe('item 3');
    expect(seen).toEqual([0, 1, 2]);
    expect(log).toEqual(['closed']);
  });

  it('gives what came before a failure of the items themselves', async () => {
    async function* failing(): AsyncGenerator<number> {
      yield* count(3);
      throw new HimplosError('bad-input', 'cut off');
    }
    const seen: number[] = [];
    const mapped = mapAhead(failing(), 8, async (i) => i);
    expect((await rejectionOf(gather(mapped, seen))).message).toBe('cut off');
    expect(seen).toEqual([0, 1, 2]);
  });

  it('closes the items when it is left', async () => {
    const log: string[] = [];
    for await (const _ of mapAhead(count(9, log), 3, async (i) => i)) break;
    expect(log).toEqual(['closed']);
  });
});

describe('an abortable iteration', () => {
  it('is the same without a signal and with an idle one', async () => {
    const log: string[] = [];
    expect(await gather(abortable(count(3, log), undefined))).toEqual([0, 1, 2]);
    expect(await gather(abortable(count(3, log), new AbortController().signal))).toEqual([0, 1, 2]);
    expect(log).toEqual(['closed', 'closed']);
  });

  it('ends while it waits for an item that never comes', async () => {
    const never: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
    };
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    expect((await rejectionOf(gather(abortable(never, controller.signal)))).code).toBe('interrupted');
  });

  it('closes the items and keeps no listener', async () => {
    const log: string[] = [];
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    for await (const i of abortable(count(9, log), signal)) if (i === 4) break;
    await tick();
    expect([log, listeners]).toEqual([['closed'], 0]);
  });

  it('starts nothing once aborted, and gives the reason where it is an error of ours', async () => {
    const reason = new HimplosError('interrupted', 'Ctrl-C');
    const error = await rejectionOf(gather(abortable(count(3), AbortSignal.abort(reason))));
    expect(error).toBe(reason);
  });
});
