import { expect, it } from 'vitest';
import { DETECTOR_AHEAD, readAhead } from '../../functions/runtime/read-ahead.ts';
import { HimplosError } from '../../shared/errors.ts';
import { readChannel } from '../../shared/store/channels.ts';
import type { GetOptions, ObjectReader, OnPart, StoredObject } from '../../shared/store/object-store.ts';

const ADDRESS = { detector: 'birds', channel: 'production' };
const CHANNEL = 'birds/channels/production.json';
const VERSION = 'a'.repeat(64);
const DETECTOR = `birds/versions/${VERSION}/detector.safetensors`;
const OPTIONS = { maxBytes: 1000 };

/** A reader of texts that keeps a list of what was asked for; objects it does not have are never answered. */
function openReader(objects: Readonly<Record<string, string | Error>>) {
  const asked: string[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const get = async (key: string, { signal }: GetOptions): Promise<StoredObject> => {
    asked.push(key);
    signals.push(signal);
    const object = objects[key];
    if (object instanceof Error) throw object;
    if (object !== undefined) return { body: new TextEncoder().encode(object), etag: 'e' };
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  };
  const reader: ObjectReader = { address: 'memory', get, getIfChanged: get.bind(undefined) as never };
  return { reader, asked, signals };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const textOf = ({ body }: StoredObject) => new TextDecoder().decode(body);

it('asks for the channel, then for the detector it names, before anybody reads; each once', async () => {
  const { reader, asked } = openReader({
    [CHANNEL]: JSON.stringify({ version: VERSION }),
    [DETECTOR]: 'bytes',
  });
  const ahead = readAhead(reader, ADDRESS);
  expect(asked).toEqual([CHANNEL]);
  await settled();
  expect(asked).toEqual([CHANNEL, DETECTOR]);
  expect(textOf(await ahead.get(CHANNEL, OPTIONS))).toContain(VERSION);
  expect(textOf(await ahead.get(DETECTOR, OPTIONS))).toBe('bytes');
  expect(asked).toHaveLength(2);
  await ahead.get(CHANNEL, OPTIONS);
  await ahead.get(DETECTOR, OPTIONS);
  expect(asked).toEqual([CHANNEL, DETECTOR, CHANNEL, DETECTOR]);
});

it('follows what files of the version lead to, and nothing where they lead nowhere', async () => {
  const MANIFEST = `birds/versions/${VERSION}/manifest.json`;
  const MODEL = `birds/versions/${VERSION}/detector.onnx`;
  const follow = (body: Uint8Array) => [
    { file: 'detector.onnx' as const, maxBytes: JSON.parse(new TextDecoder().decode(body)).bytes },
  ];
  for (const [manifest, more] of [
    ['{"bytes":7}', [MODEL]],
    ['{', []],
  ] as const) {
    const { reader, asked } = openReader({
      [CHANNEL]: JSON.stringify({ version: VERSION }),
      [MANIFEST]: manifest,
      [MODEL]: 'a model',
    });
    const ahead = readAhead(reader, ADDRESS, [
      { file: 'manifest.json', maxBytes: 100, follow },
      DETECTOR_AHEAD,
    ]);
    await settled();
    expect(asked).toEqual([CHANNEL, MANIFEST, DETECTOR, ...more]);
    await ahead.get(CHANNEL, OPTIONS);
    expect(textOf(await ahead.get(MANIFEST, OPTIONS))).toBe(manifest);
    expect(textOf(await ahead.get(MODEL, OPTIONS))).toBe('a model');
    expect(asked.filter((key) => key === MODEL)).toEqual([MODEL]);
  }
});

it('takes no name for granted: whatever else the channel holds leads nowhere', async () => {
  for (const content of ['{', 'null', '{}', '{"version":"../../x"}', '{"version":["a"]}']) {
    const { reader, asked } = openReader({ [CHANNEL]: content });
    const ahead = readAhead(reader, ADDRESS);
    await settled();
    expect(asked).toEqual([CHANNEL]);
    expect(textOf(await ahead.get(CHANNEL, OPTIONS))).toBe(content);
  }
});

it('asks for nothing by names that cannot be ones, and leaves it to who reads to say so', async () => {
  const { reader, asked } = openReader({ [CHANNEL]: JSON.stringify({ version: VERSION }) });
  for (const address of [
    { ...ADDRESS, detector: 'a/b' },
    { ...ADDRESS, channel: '' },
  ]) {
    const ahead = readAhead(reader, address);
    await expect(readChannel(ahead, address)).rejects.toMatchObject({ code: 'bad-input' });
  }
  expect(asked).toEqual([]);
});

it('drops what nobody wants once something else is read', async () => {
  const { reader, asked, signals } = openReader({
    [CHANNEL]: JSON.stringify({ version: VERSION }),
    other: '1',
  });
  const ahead = readAhead(reader, ADDRESS);
  await settled();
  expect(textOf(await ahead.get('other', OPTIONS))).toBe('1');
  expect(signals[1]!.aborted).toBe(true);
  await ahead.get(CHANNEL, OPTIONS);
  expect(asked).toEqual([CHANNEL, DETECTOR, 'other', CHANNEL]);
});

it('shows a failure to who reads, and asks the store the next time', async () => {
  const failure = new HimplosError('unavailable', 'down');
  const { reader, asked } = openReader({ [CHANNEL]: failure });
  const ahead = readAhead(reader, ADDRESS);
  await settled();
  await expect(ahead.get(CHANNEL, OPTIONS)).rejects.toBe(failure);
  await expect(ahead.get(CHANNEL, OPTIONS)).rejects.toBe(failure);
  expect(asked).toEqual([CHANNEL, CHANNEL]);
});

it('gives up when its reader does', async () => {
  const { reader, signals } = openReader({ [CHANNEL]: JSON.stringify({ version: VERSION }) });
  const ahead = readAhead(reader, ADDRESS);
  await settled();
  const abort = new AbortController();
  const reading = ahead.get(DETECTOR, { ...OPTIONS, signal: abort.signal });
  expect(signals[1]!.aborted).toBe(false);
  abort.abort(new Error('enough'));
  expect(signals[1]!.aborted).toBe(true);
  await expect(reading).rejects.toThrow('enough');
});

it('tells its reader of the parts that arrived before it came, and of those that follow', async () => {
  let tell: OnPart | undefined;
  const { reader } = openReader({ [CHANNEL]: '{}' });
  const get: ObjectReader['get'] = (key, options) => {
    tell = options.onPart;
    return reader.get(key, options);
  };
  const ahead = readAhead({ ...reader, get }, ADDRESS);
  const body = new Uint8Array(9);
  tell!(body, 3);
  tell!(body, 5);
  const seen: number[] = [];
  const reading = ahead.get(CHANNEL, { ...OPTIONS, onPart: (_, arrived) => void seen.push(arrived) });
  tell!(body, 9);
  await reading;
  expect(seen).toEqual([5, 9]);
});

it('holds what it has fetched to the reader’s own limit', async () => {
  const { reader } = openReader({ [CHANNEL]: JSON.stringify({ version: VERSION }), [DETECTOR]: 'bytes' });
  const ahead = readAhead(reader, ADDRESS);
  await settled();
  await expect(ahead.get(DETECTOR, { ...OPTIONS, maxBytes: 4 })).rejects.toMatchObject({ code: 'too-large' });
});

it('drops the rest when a read is given up', async () => {
  const { reader, signals } = openReader({ [CHANNEL]: JSON.stringify({ version: VERSION }) });
  const ahead = readAhead(reader, ADDRESS, [DETECTOR_AHEAD, { file: 'manifest.json', maxBytes: 9 }]);
  await settled();
  const abort = new AbortController();
  const read = ahead.get(DETECTOR, { ...OPTIONS, signal: abort.signal });
  abort.abort(new Error('late'));
  await expect(read).rejects.toThrow('late');
  expect(signals.slice(1).map((signal) => signal?.aborted)).toEqual([true, true]);
});
