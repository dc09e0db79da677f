import { describe, expect, it } from 'vitest';
import { formatSeconds, startTask } from '../../calibrate/progress.ts';

/** A task of 1000 images whose clock stands still unless it is told to go on. */
function start(isTTY: boolean, columns = 80) {
  const clock = { ms: 5000 };
  const written: string[] = [];
  const output = { isTTY, columns, write: (text: string) => written.push(text) };
  const task = startTask(output, 'train', 1000, 'images', () => clock.ms);
  return {
    task,
    /** Lets time pass, does some work and takes what was written. */
    work(ms: number, count: number): string {
      clock.ms += ms;
      task.advance(count);
      return written.splice(0).join('');
    },
    finish(ms: number, note?: string): string {
      clock.ms += ms;
      task.finish(note);
      return written.splice(0).join('');
    },
    take: () => written.splice(0).join(''),
  };
}

describe('progress on a terminal', () => {
  it('rewrites one line with rate and time left', () => {
    const { work } = start(true);
    expect(work(1000, 100)).toBe('\r\x1b[Ktrain: 100 of 1000 images, 100 images/s, 9.0 s left');
    expect(work(1000, 300)).toBe('\r\x1b[Ktrain: 400 of 1000 images, 200 images/s, 3.0 s left');
  });

  it('writes at most ten times a second', () => {
    const { work } = start(true);
    expect(work(99, 1)).toBe('');
    expect(work(1, 1)).not.toBe('');
    expect(work(50, 1)).toBe('');
    expect(work(50, 1)).toContain('train: 4 of 1000');
  });

  it('promises no time left once everything is done', () => {
    const { work } = start(true);
    expect(work(2000, 1000)).toBe('\r\x1b[Ktrain: 1000 of 1000 images, 500 images/s');
  });

  it('is cut to the width of the terminal', () => {
    const { work } = start(true, 30);
    const line = work(1000, 100).replace('\r\x1b[K', '');
    expect(line).toBe('train: 100 of 1000 images, 1…');
    expect(line.length).toBeLessThan(30);
  });

  it('ends with a line of its own, over the last one', () => {
    const { work, finish } = start(true);
    work(1000, 1000);
    expect(finish(1000, '3 skipped')).toBe('\r\x1b[Ktrain: 1000 images in 2.0 s, 3 skipped\n');
  });

  it('makes room for a sentence in the middle', () => {
    const { work, task, take } = start(true);
    work(1000, 10);
    task.say('skipped: bad.png');
    expect(take()).toBe('\r\x1b[Kskipped: bad.png\n');
    task.say('skipped: worse.png');
    expect(take()).toBe('skipped: worse.png\n');
  });

  it('leaves the line when it fails, once', () => {
    const { work, task, take } = start(true);
    work(1000, 10);
    task[Symbol.dispose]();
    task[Symbol.dispose]();
    expect(take()).toBe('\n');
  });

  it('leaves nothing behind when it ended well', () => {
    const { work, finish, task, take } = start(true);
    work(1000, 10);
    finish(0);
    task[Symbol.dispose]();
    expect(take()).toBe('');
  });
});

describe('progress elsewhere', () => {
  it('is a plain line every ten seconds', () => {
    const { work } = start(false);
    expect(work(9_999, 20)).toBe('');
    expect(work(1, 20)).toBe('train: 40 of 1000 images, 4.0 images/s, 4 min 0 s left\n');
    expect(work(5_000, 20)).toBe('');
  });

  it('ends with a plain line', () => {
    const { work, finish } = start(false);
    work(100, 1000);
    expect(finish(0)).toBe('train: 1000 images in 0.1 s\n');
  });

  it('never uses what only a terminal understands', () => {
    const { work, task, take, finish } = start(false);
    let text = work(20_000, 5);
    task.say('skipped: bad.png');
    text += take() + finish(1);
    task[Symbol.dispose]();
    text += take();
    expect(text).toMatch(/\n$/);
    expect(text).not.toContain('\r');
    expect(text).not.toContain('\x1b');
  });
});

it('times read as people say them', () => {
  const said = [0.04, 0.44, 9.94, 9.96, 59.4, 59.6, 200, 3599.4, 3600, 7500, 360_000].map(formatSeconds);
  expect(said).toEqual([
    ...['0.0 s', '0.4 s', '9.9 s', '10 s', '59 s', '1 min 0 s', '3 min 20 s', '59 min 59 s'],
    ...['1 h 0 min', '2 h 5 min', '100 h 0 min'],
  ]);
});
