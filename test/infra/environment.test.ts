import { describe, expect, it } from 'vitest';
import { findBuildOutputs } from '../../infra/config/build-outputs.ts';
import { ConfigError, readEnvironment } from '../../infra/config/environment.ts';
import { scheduleFault } from '../../infra/config/schedule-expression.ts';
import { environment as example } from '../../infra/environments/example.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { NOW } from './synthesize-environment.ts';

/** The example with one field changed; undefined removes it. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(example) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  let node = copy;
  for (const key of keys.slice(0, -1)) node = node[key] as Record<string, unknown>;
  if (value === undefined) delete node[keys.at(-1)!];
  else node[keys.at(-1)!] = value;
  return copy;
}

function faultOf(value: unknown): string {
  try {
    readEnvironment('test', value, NOW);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'no fault';
}

describe('environment', () => {
  it('takes the example and fills in defaults', () => {
    const environment = readEnvironment('test', example, NOW);
    expect(environment.channel).toBe('production');
    expect(environment.alarms.oodSharePercent).toBe(20);
    expect(environment.recalibration?.phases).toBe(1);
  });

  it.each([
    ['region', 'eu-nowhere-1'],
    ['region', undefined],
    ['account', '12345'],
    ['detector', undefined],
    ['detector', ''],
    ['detector', '../other'],
    ['detector', 'a/b'],
    ['detector', '*'],
    ['channel', 'candidate'],
    ['logRetentionDays', 31],
    ['functions', {}],
    ['functions.embeddings.memoryMegabytes', 64],
    ['functions.embeddings.memoryMegabytes', 20_000],
    ['functions.embeddings.memoryMegabytes', 1769.5],
    ['functions.embeddings.timeoutSeconds', 31],
    ['functions.embeddings.reservedConcurrency', 0],
    ['functions.embeddings.provisionedConcurrency', 51],
    ['functions.embeddings.access', { type: 'public' }],
    ['functions.embeddings.access.authorization', { type: 'none' }],
    [
      'functions.embeddings.access.authorization',
      { type: 'jwt', issuer: 'http://example.com', audience: ['a'] },
    ],
    ['functions.embeddings.access.requestsPerSecond', 0],
    ['functions.embedings', {}],
    ['functions.bulk', { memoryMegabytes: 1024, timeoutSeconds: 60, reservedConcurrency: 1 }],
    ['functions.bulk', { memoryMegabytes: 1024, timeoutSeconds: 901 }],
    ['alarms', { email: 'nobody' }],
    ['alarms', { oodSharePercent: 100 }],
    ['recalibration.schedule', 'cron(0 3 31 2 ? *)'],
    ['recalibration.schedule', 'daily'],
    ['recalibration.timeZone', 'Europe/Nowhere'],
    ['recalibration.shards', 1],
    ['recalibration.shards', 10_001],
    ['recalibration.compute.memoryGibibytes', 7],
    ['recalibration.compute.cpus', 3],
    ['recalibration.compute', { type: 'tpu' }],
    ['recalibration.calibrate', []],
    ['recalibration.image', { repository: 'himplos', digest: 'latest' }],
    ['recalibration.gates', { maxAccuracyDrop: 2 }],
    ['recalibration.gates', { maxAcuracyDrop: 0.1 }],
  ])('refuses %s = %j and names the field', (path, value) => {
    const fault = faultOf(changed(path, value));
    expect(fault).toContain(`  ${path}`);
    // One wrong field is one line: nothing that is right is complained about.
    expect(fault.split('\n').length).toBeLessThanOrEqual(3);
  });

  it('names every wrong field at once', () => {
    const fault = faultOf({ region: 'x', detector: 'y z', functions: {} });
    for (const field of ['region', 'detector', 'functions']) expect(fault).toContain(`  ${field}: `);
  });

  it.each([null, 3, 'text', []])('refuses %j', (value) => {
    expect(faultOf(value)).toContain('cannot be deployed');
  });

  it('names the function whose zip was not built, instead of deploying something else', () => {
    const value = changed('functions.images', example.functions.embeddings);
    const environment = readEnvironment('test', value, NOW);
    const empty = newFolder();
    expect(() => findBuildOutputs(environment, empty)).toThrow(
      /^functions\.embeddings: .*build:functions makes, got none$/,
    );
  });
});

describe('schedule', () => {
  it('is looked at by the clock of its time zone', () => {
    // At NOW it is 16:00 of the day before in Los Angeles, and 09:00 in Tokyo.
    const at = (timeZone: string) =>
      faultOf(
        changed('recalibration', { ...example.recalibration, schedule: 'cron(0 8 24 11 ? 2026)', timeZone }),
      );
    expect(at('America/Los_Angeles')).toBe('no fault');
    expect(at('Asia/Tokyo')).toContain('  recalibration.schedule: cron: never fires');
  });

  // Every nearest weekday and n-th weekday of four years, against a walk through each month.
  it.each(['1W', '15W', '30W', '31W', 'LW', 'L'])(
    'knows the months in which day %s is a certain day',
    (text) => {
      for (let month = 0; month < 48; month++) {
        const [year, index] = [2027 + Math.floor(month / 12), month % 12];
        const days = daysOf(year, index);
        const weekdays = days.filter((day) => day.getUTCDay() % 6 !== 0);
        const target = text.startsWith('L') ? days.length : Number.parseInt(text, 10);
        const candidates = text === 'L' ? days : target > days.length ? [] : weekdays;
        const distance = (day: Date) => Math.abs(day.getUTCDate() - target);
        const due = candidates.toSorted((a, b) => distance(a) - distance(b)).at(0);
        const expression = `cron(0 0 ${text} ${index + 1} ? ${year})`;
        if (due === undefined) expect(scheduleFault(expression, NOW), expression).toMatch(/never fires/);
        else {
          expect(scheduleFault(expression, new Date(due.getTime() - 60_000)), expression).toBeUndefined();
          expect(scheduleFault(expression, due), expression).toMatch(/never fires/);
        }
      }
    },
  );

  it.each([
    'rate(1 day)',
    'rate(12 hours)',
    'cron(0 3 * * ? *)',
    'cron(0/15 * ? * MON-FRI *)',
    'cron(0 3 29 2 ? *)',
    'cron(0 3 30,31 2,4 ? *)',
    'cron(0 3 L * ? *)',
    'cron(0 3 ? * 2#1 *)',
    'cron(0 3 ? JAN,JUL SUN 2026-2030)',
    'cron(0 3 ? 2 SUN#5 2032)',
    'cron(0 3 ? * 6L *)',
    'cron(0 3 31W 12 ? 2026)',
    'cron(0 3 LW * ? *)',
    'cron(1 0 24 11 ? 2026)',
  ])('takes %s', (expression) => {
    expect(scheduleFault(expression, NOW)).toBeUndefined();
  });

  it.each([
    ['cron(0 3 31 2 ? *)', /never fires/],
    ['cron(0 3 31 4,6,9,11 ? *)', /never fires/],
    ['cron(0 3 29 2 ? 2027)', /never fires/],
    ['cron(0 3 * * ? 2020-2025)', /never fires/],
    ['cron(0 3 * 1-10 ? 2026)', /never fires/],
    ['cron(0 0 24 11 ? 2026)', /never fires/],
    ['cron(0 3 31W 2 ? *)', /never fires/],
    ['cron(0 3 ? 2 SUN#5 2026-2031)', /never fires/],
    ['cron(0 3 ? * FUNL *)', /weekday/],
    ['cron(60 3 * * ? *)', /minute/],
    ['cron(0 24 * * ? *)', /hour/],
    ['cron(0 3 0 * ? *)', /day/],
    ['cron(0 3 ? 13 * *)', /month/],
    ['cron(0 3 ? * FUNDAY *)', /weekday/],
    ['cron(0 3 * * * *)', /\?/],
    ['cron(0 3 ? * ? *)', /\?/],
    ['cron(0 3 * * ?)', /6 fields/],
    ['cron(5-1 3 * * ? *)', /minute/],
    ['cron(0/0 3 * * ? *)', /minute/],
    ['rate(0 days)', /rate/],
    ['rate(1 fortnight)', /rate/],
    ['at(2030-01-01T00:00:00)', /expected rate/],
    ['0 3 * * *', /expected rate/],
    ['', /expected rate/],
  ])('refuses %j', (expression, reason) => {
    expect(scheduleFault(expression, NOW)).toMatch(reason);
  });
});

function daysOf(year: number, month: number): readonly Date[] {
  const count = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return Array.from({ length: count }, (_, day) => new Date(Date.UTC(year, month, day + 1)));
}
