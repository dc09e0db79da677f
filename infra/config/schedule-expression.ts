/**
 * What is wrong with a recurring EventBridge Scheduler expression, as a sentence; undefined when it is right and fires
 * again after `now`. Takes `rate(N unit)` and `cron(minute hour day month weekday year)`, where exactly one of day and
 * weekday is `?`: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
 * @param now wall clock of the schedule's time zone, in the date's UTC fields
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

/** What a field allows; `any` also where {@link isDay} and {@link isWeekday} look at the text. */
type Values = ReadonlySet<number> | 'any';
type Six<T> = readonly [T, T, T, T, T, T];

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const WEEKDAY: Field = { name: 'weekday', low: 1, high: 7, names: WEEKDAYS };
const FIELDS: Six<Field> = [
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day', low: 1, high: 31 },
  { name: 'month', low: 1, high: 12, names: MONTHS },
  WEEKDAY,
  { name: 'year', low: 1970, high: 2199 },
];
const DAY_MS = 86_400_000;

function cronFault(texts: readonly string[], now: Date): string | undefined {
  if (texts.length !== FIELDS.length) return `cron: expected 6 fields, got ${texts.length}`;
  const [, , day, , weekday] = texts as Six<string>;
  if ((day === '?') === (weekday === '?')) return 'cron: expected ? for one of day and weekday';
  const values = texts.map((text, index) => valuesOf(text, FIELDS[index]!));
  const wrong = values.indexOf(undefined);
  if (wrong !== -1) {
    const { name, low, high } = FIELDS[wrong]!;
    return `cron: ${name}: expected ${low} to ${high} as *, a, a-b, a,b or a/step, got ${texts[wrong]}`;
  }
  if (firesAfter(now, texts as Six<string>, values as unknown as Six<Values>)) return undefined;
  return `cron: never fires: from now on there is no day ${day}, month ${texts[3]}, weekday ${weekday}, year ${texts[5]}`;
}

/** Goes through the days from `now` on; 'any' year stands for eight more, which hold a leap day even around 2100. */
function firesAfter(now: Date, texts: Six<string>, values: Six<Values>): boolean {
  const [minutes, hours, days, months, weekdays, years] = values;
  const lastYear = years === 'any' ? now.getUTCFullYear() + 8 : Math.max(...years);
  const lastMinute = 60 * greatest(hours, 23) + greatest(minutes, 59);
  const minuteNow = 60 * now.getUTCHours() + now.getUTCMinutes();
  const today = now.getTime() - (now.getTime() % DAY_MS);
  for (let time = today; ; time += DAY_MS) {
    const date = new Date(time);
    if (date.getUTCFullYear() > lastYear) return false;
    const isAllowed =
      allows(years, date.getUTCFullYear()) &&
      allows(months, date.getUTCMonth() + 1) &&
      isDay(texts[2], days, date) &&
      isWeekday(texts[4], weekdays, date);
    if (isAllowed && (time > today || lastMinute > minuteNow)) return true;
  }
}

function allows(values: Values, value: number): boolean {
  return values === 'any' || values.has(value);
}

function greatest(values: Values, otherwise: number): number {
  return values === 'any' ? otherwise : Math.max(...values);
}

/** `L` is the month's last day, `W` the weekday (Monday to Friday) nearest to a day, within the month. */
function isDay(text: string, values: Values, date: Date): boolean {
  const day = date.getUTCDate();
  const last = lastDay(date);
  if (text === 'L') return day === last;
  if (!text.endsWith('W')) return allows(values, day);
  const wanted = text === 'LW' ? last : Number(text.slice(0, -1));
  const weekdayOf = (d: number) => (date.getUTCDay() + 7 * 5 + d - day) % 7;
  if (wanted > last) return false;
  if (weekdayOf(wanted) === 6) return day === (wanted === 1 ? 3 : wanted - 1);
  if (weekdayOf(wanted) === 0) return day === (wanted === last ? wanted - 2 : wanted + 1);
  return day === wanted;
}

/** `L` is Saturday, `6L` the month's last Friday, `6#3` its third. */
function isWeekday(text: string, values: Values, date: Date): boolean {
  const weekday = date.getUTCDay() + 1;
  if (text === 'L') return weekday === 7;
  const [, name, kind, count] = /^(\w+)(L|#)(\d?)$/.exec(text) ?? [];
  if (name === undefined || kind === undefined) return allows(values, weekday);
  const day = date.getUTCDate();
  const isPlace = kind === 'L' ? day + 7 > lastDay(date) : Math.ceil(day / 7) === Number(count);
  return weekday === numberOf(name, WEEKDAY) && isPlace;
}

function lastDay(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
}

/** The values a field allows; undefined when it is not understood. */
function valuesOf(text: string, field: Field): Values | undefined {
  const { name, low, high } = field;
  if (text === '*') return 'any';
  if (name === 'day' && /^(\?|L|LW|([1-9]|[12]\d|3[01])W)$/.test(text)) return 'any';
  const [, weekday] = /^(\w+?)(?:L|#[1-5])$/.exec(text) ?? [];
  if (name === 'weekday' && (/^[?L]$/.test(text) || numberOf(weekday ?? '', field) !== undefined))
    return 'any';
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
