import type { TextOutput } from './io.ts';

/** Tells a person how far a long piece of work is. */
export interface Task extends Disposable {
  /** `count` more units are done. */
  advance(count: number): void;
  /** Writes a sentence on a line of its own. */
  say(sentence: string): void;
  /** The work is done; `note` stands behind its line. */
  finish(note?: string): void;
  /** Leaves a task that failed, so that what is written next begins a line. */
  [Symbol.dispose](): void;
}

/** Milliseconds between two updates: often enough to look alive, seldom enough to cost nothing. */
const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 10_000;

/** Back to the first column, and erase to the end of the line. */
const CLEAR_LINE = '\r\x1b[K';

/**
 * Starts a task of `total` units. On a terminal one line is rewritten, with rate and time left; elsewhere a plain
 * line is written every ten seconds and at the end.
 * @param nowMs the clock, for tests
 */
export function startTask(
  output: TextOutput,
  label: string,
  total: number,
  unit: string,
  nowMs: () => number = Date.now,
): Task {
  const isTerminal = output.isTTY === true;
  const startMs = nowMs();
  let done = 0;
  let writtenMs = startMs;
  let isLineOpen = false;

  function line(): string {
    const seconds = Math.max(nowMs() - startMs, 1) / 1000;
    const rate = done / seconds;
    const left = rate > 0 && done < total ? `, ${formatSeconds((total - done) / rate)} left` : '';
    const rateText = done > 0 ? `, ${formatRate(rate)} ${unit}/s` : '';
    return `${label}: ${done} of ${total} ${unit}${rateText}${left}`;
  }

  function say(sentence: string): void {
    output.write(`${isLineOpen ? CLEAR_LINE : ''}${sentence}\n`);
    isLineOpen = false;
  }

  return {
    advance(count) {
      done += count;
      const now = nowMs();
      if (now - writtenMs < (isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
      writtenMs = now;
      isLineOpen = isTerminal;
      output.write(isTerminal ? `${CLEAR_LINE}${cutTo(line(), output.columns)}` : `${line()}\n`);
    },
    say,
    finish(note = '') {
      const seconds = Math.max(nowMs() - startMs, 1) / 1000;
      const text = `${label}: ${done} ${unit} in ${formatSeconds(seconds)}${note === '' ? '' : `, ${note}`}`;
      say(text);
    },
    [Symbol.dispose]() {
      if (isLineOpen) output.write('\n');
      isLineOpen = false;
    },
  };
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function formatRate(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}

function cutTo(text: string, columns = 80): string {
  return text.length < columns ? text : `${text.slice(0, columns - 2)}…`;
}
