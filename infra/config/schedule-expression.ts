/**
 * What is wrong with a recurring EventBridge Scheduler expression, as a sentence; undefined when it is right and fires
 * again after `now`. Takes `rate(N unit)` and `cron(minute hour day month weekday year)`, where exactly one of day and
 * weekday is `?`: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
 */
export function scheduleFault(expression: string, now: Date): string | undefined {
  const [, rate, cron] = /^(?:rate\((.*)\)|cron\((.*)\))$/.exec(expression) ?? [];
  if (rate !== undefined) return rateFault(rate);
  if (cron !== undefined) return cronFault(cron.trim().split(/\s+/), now);
  return 'expected rate(N unit) or cron(minute hour day month weekday year)';
}

function rateFault(rate: string): string | undefined {
  if (/^[1-9]\d{0,3} (minutes?|hours?|days?)$/.test(rate)) return undefined;
  return 'expected rate(N unit) with N from 1 to 9999 and unit minutes, hours or days';
}

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly names?: readonly string[];
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const FIELDS: readonly Field[] = [
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day', low: 1, high: 31 },
  { name: 'month', low: 1, high: 12, names: MONTHS },
  { name: 'weekday', low: 1, high: 7, names: WEEKDAYS },
  { name: 'year', low: 1970, high: 2199 },
];

function cronFault(texts: readonly string[], now: Date): string | undefined {
  if (texts.length !== FIELDS.length) return `cron: expected 6 fields, got ${texts.length}`;
  const [, , dayText, , weekdayText] = texts as [string, string, string, string, string, string];
  if ((dayText === '?') === (weekdayText === '?')) return 'cron: expected ? for one of day and weekday';
  const values = texts.map((text, index) => valuesOf(text, FIELDS[index]!));
  const wrong = values.indexOf(undefined);
  if (wrong !== -1) {
    const { name, low, high } = FIELDS[wrong]!;
    return `cron: ${name}: expected ${low} to ${high} as *, a, a-b, a,b or a/step, got ${texts[wrong]}`;
  }
  const [, , days, months, , years] = values as readonly (ReadonlySet<number> | 'any')[];
  const first = now.getUTCFullYear();
  const yearsLeft = years === 'any' ? undefined : [...years!].filter((year) => year >= first);
  if (yearsLeft?.length === 0) return `cron: never fires: its last year is before ${first}`;
  if (days === 'any' || /[LW]/.test(dayText)) return undefined;
  // Eight years hold a leap day even across 1900, 2100 and their like.
  const candidates = yearsLeft ?? Array.from({ length: 9 }, (_, i) => first + i);
  const fires = candidates.some((year) =>
    range(1, 12).some(
      (month) =>
        (months === 'any' || months!.has(month)) && [...days!].some((day) => day <= daysIn(year, month)),
    ),
  );
  return fires ? undefined : `cron: never fires: there is no day ${dayText} in month ${texts[3]}`;
}

/** The values a field allows; undefined when it is not understood. */
function valuesOf(text: string, field: Field): ReadonlySet<number> | 'any' | undefined {
  const { name, low, high } = field;
  if (text === '*') return 'any';
  if (name === 'day' && /^(\?|L|LW|([1-9]|[12]\d|3[01])W)$/.test(text)) return 'any';
  if (name === 'weekday' && /^(\?|L|([1-7]|[A-Z]{3})(L|#[1-5]))$/.test(text)) return 'any';
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [, from = '', to, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(part) ?? [];
    const start = from === '*' ? low : numberOf(from, field);
    const end = to !== undefined ? numberOf(to, field) : step !== undefined || from === '*' ? high : start;
    const stride = step === undefined ? 1 : Number(step);
    if (start === undefined || end === undefined || stride < 1 || start > end) return undefined;
    for (let value = start; value <= end; value += stride) values.add(value);
  }
  return values;
}

function numberOf(text: string, { low, high, names }: Field): number | undefined {
  const index = names?.indexOf(text.toUpperCase()) ?? -1;
  const value = index !== -1 ? index + 1 : /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  return value >= low && value <= high ? value : undefined;
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
