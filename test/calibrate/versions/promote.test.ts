import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  defaultGateLimits,
  type GateLimits,
  readGateLimits,
} from '../../../calibrate/versions/gate-limits.ts';
import { readVersion } from '../../../calibrate/versions/measure-version.ts';
import { promoteVersion } from '../../../calibrate/versions/promote.ts';
import { publishFolder } from '../../../calibrate/versions/publish.ts';
import { readChannel } from '../../../shared/store/channels.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { versionKey } from '../../../shared/store/version-keys.ts';
import { rejectionOf } from '../../shared/formats/expect-failure.ts';
import { type TestStore, testStores } from '../../shared/store/test-stores.ts';
import { newFolder } from '../run-command.ts';
import { type SmallVariant, smallDetectorFolder } from './small-detectors.ts';

const address = { detector: 'birds', channel: 'production' };

/** Wide enough for any two sensible detectors of so few rows. */
const WIDE: GateLimits = { ...defaultGateLimits, maxAurocDrop: 0.1, maxChangedDecisions: 0.3 };

const variants = {
  base: {},
  similar: { trainSeed: 11 },
  blind: { method: 'himplos:mask=50,clip=0.01' },
  otherRows: { evaluationSeed: 5 },
  noRows: { evaluationSeed: null },
  otherHead: { headShift: 0.125 },
  renamed: { classNames: ['crow', 'wren', 'gull'] },
} as const satisfies Record<string, SmallVariant>;

const folders = new Map<string, string>();
beforeAll(async () => {
  for (const [name, variant] of Object.entries(variants))
    folders.set(name, await smallDetectorFolder(variant));
});

describe.each(testStores)('promoting a version in $kind', ({ open }) => {
  let opened: TestStore;
  let store: ObjectStore;
  let changes = 0;
  beforeEach(async () => {
    opened = await open();
    store = opened.store;
  });
  afterEach(() => opened.close());

  const publish = async (name: keyof typeof variants) =>
    (await publishFolder(folders.get(name)!, store, 'birds')).version;
  const note = (reason: string | null = null) => ({
    id: `change ${++changes}`,
    at: '2026-01-01T00:00:00Z',
    by: 'ada',
    reason,
  });
  const promote = async (
    name: keyof typeof variants,
    more: { limits?: GateLimits; force?: boolean; reason?: string } = {},
  ) =>
    promoteVersion(store, address, {
      version: await publish(name),
      limits: more.limits ?? WIDE,
      force: more.force ?? false,
      note: note(more.reason),
    });
  const failing = ({ gates }: Awaited<ReturnType<typeof promote>>) =>
    gates.filter(({ passed }) => !passed).map(({ gate }) => gate);

  it('needs nothing before it, but rows to show that γ keeps its promise', async () => {
    const first = await promote('base');
    expect(first.gates.map(({ gate }) => gate)).toEqual(['head', 'evaluation', 'coverage']);
    expect(first.state?.document.generation).toBe(1);
  });

  it('refuses a first version without evaluation rows', async () => {
    const outcome = await promote('noRows');
    expect([failing(outcome), outcome.state]).toEqual([['evaluation'], undefined]);
    expect(await readChannel(store, address)).toBeUndefined();
  });

  it('lets a similar version pass every gate', async () => {
    await promote('base');
    const outcome = await promote('similar');
    expect(outcome.gates.map(({ gate }) => gate)).toEqual([
      'classes',
      'width',
      'head',
      'evaluation',
      'accuracy',
      'auroc',
      'coverage',
      'decisions',
    ]);
    expect(failing(outcome)).toEqual([]);
    expect(outcome.state?.document).toMatchObject({
      generation: 2,
      history: [{}, { isForced: false, by: 'ada' }],
    });
  });

  it.each([
    ['blind', ['auroc']],
    ['otherRows', ['evaluation']],
    ['noRows', ['evaluation']],
    ['otherHead', ['head']],
    ['renamed', ['classes']],
  ] as const)('stops %s at the right gate, and changes nothing', async (name, gates) => {
    await promote('base');
    const before = await readChannel(store, address);
    const outcome = await promote(name);
    expect(failing(outcome)).toEqual(expect.arrayContaining([...gates]));
    expect(outcome.state).toBeUndefined();
    expect(await readChannel(store, address)).toEqual(before);
  });

  it('takes a new head that is known', async () => {
    await promote('base');
    const version = await publish('otherHead');
    const { detector } = await readVersion(store, 'birds', { version });
    const limits = { ...WIDE, knownHeads: [detector.document.headFingerprint] };
    const outcome = await promote('otherHead', { limits });
    expect(outcome.gates.find(({ gate }) => gate === 'head')?.passed).toBe(true);
  });

  it('holds each OOD set to its own limit', async () => {
    await promote('base');
    const limits = { ...WIDE, maxChangedDecisions: 1, maxAurocDropOn: { noise: 1 } };
    expect(failing(await promote('blind', { limits }))).not.toContain('auroc');
  });

  it('can be forced by somebody with a reason, which the history keeps', async () => {
    await promote('base');
    expect((await rejectionOf(promote('noRows', { force: true }))).code).toBe('bad-usage');
    const outcome = await promote('noRows', { force: true, reason: 'rows were lost' });
    expect(failing(outcome)).toEqual(['evaluation']);
    expect(outcome.state?.document.history.at(-1)).toMatchObject({
      isForced: true,
      by: 'ada',
      reason: 'rows were lost',
    });
  });

  it('does not call a promotion forced that passes anyway', async () => {
    await promote('base');
    const outcome = await promote('similar', { force: true, reason: 'in a hurry' });
    expect(outcome.state?.document.history.at(-1)).toMatchObject({ isForced: false, reason: 'in a hurry' });
  });

  it('fails when the version before is damaged, and refuses one that is damaged itself', async () => {
    const { version } = { version: await publish('base') };
    await promote('base');
    await store.delete(versionKey('birds', version, 'detector.safetensors'));
    const outcome = await promote('similar');
    expect(failing(outcome)).toEqual(['evaluation']);
    const damaged = await publish('otherRows');
    await store.delete(versionKey('birds', damaged, 'evaluation.safetensors'));
    const request = { version: damaged, limits: WIDE, force: true, note: note('x') };
    expect((await rejectionOf(promoteVersion(store, address, request))).code).toBe('bad-artifact');
  });

  it('is lost, and said to be, by all but one of 50 who promote at once, generation after generation', async () => {
    const versions = [await publish('base'), await publish('similar')];
    for (let generation = 1; generation <= 2; generation++) {
      const version = versions[generation - 1]!;
      const outcomes = await Promise.allSettled(
        Array.from({ length: 50 }, () =>
          promoteVersion(store, address, { version, limits: WIDE, force: false, note: note() }),
        ),
      );
      const winners = outcomes.filter(({ status }) => status === 'fulfilled');
      expect(winners).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue;
        // Who comes late finds nothing left to do.
        expect(['conflict', 'bad-usage']).toContain(outcome.reason.code);
      }
      const state = await readChannel(store, address);
      expect(state?.document.history.map((change) => change.generation)).toEqual(
        Array.from({ length: generation }, (_, i) => i + 1),
      );
    }
  });
});

describe('limits of the gates', () => {
  const read = async (text: string) => {
    const path = join(newFolder(), 'gates.json');
    await writeFile(path, text);
    return readGateLimits(path);
  };

  it('are the defaults where a file says nothing', async () => {
    expect(await read('{}')).toEqual(defaultGateLimits);
    expect(await read('{"maxAurocDrop":0.2,"maxAurocDropOn":{"far":0}}')).toEqual({
      ...defaultGateLimits,
      maxAurocDrop: 0.2,
      maxAurocDropOn: { far: 0 },
    });
  });

  it.each([
    '',
    '[]',
    '{"maxAurocDrop":2}',
    '{"maxAurocDrop":"0.1"}',
    '{"maxFun":0.1}',
    '{"knownHeads":["x"]}',
    '{"coverageProbability":1}',
    '{"maxAurocDrop":0.1,"maxAurocDrop":0.2}',
  ])('are not %j', async (text) => {
    const error = await rejectionOf(read(text));
    expect(error.code).toBe('bad-usage');
    expect(error.hint).toContain('maxAccuracyDrop');
  });
});
