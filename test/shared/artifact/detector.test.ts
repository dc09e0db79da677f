import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type DetectorDraft,
  decodeDetector,
  detectorVersion,
  encodeDetector,
  fingerprintHead,
} from '../../../shared/artifact/detector.ts';
import type { DetectorDocument } from '../../../shared/artifact/detector-document.ts';
import { canonicalJson, type Json } from '../../../shared/formats/canonical-json.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../shared/formats/safetensors.ts';
import type { Tensors } from '../../../shared/tensor.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { smallDetector } from './small-detector.ts';

/** SHA-256 of the encoded `smallDetector()`. */
const PINNED_VERSION = 'b55618b9a4bf3f384554177af9de4f0c11aea20d6a6ffd5a428831a8b134d38f';

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

/** The file with its document or tensors changed, all digests made to fit again. */
async function forged(
  change: (document: Record<string, unknown>, tensors: Record<string, Tensors[string]>) => void,
): Promise<Uint8Array> {
  const { tensors, metadata } = decodeSafetensors(await encodeDetector(smallDetector()));
  const document = JSON.parse(metadata.himplos!) as Record<string, unknown>;
  const changed = { ...tensors };
  change(document, changed);
  const text = canonicalJson(document as Json);
  return encodeSafetensors(changed, { himplos: text, himplos_sha256: sha256(text) });
}

describe('writing a detector', () => {
  it('gives back what was written', async () => {
    const parts = smallDetector();
    const read = await decodeDetector(await encodeDetector(parts));
    expect(read.head).toEqual(parts.head);
    expect(read.tensors).toEqual(parts.tensors);
    expect(read.calibrationScores).toEqual(parts.calibrationScores.toSorted());
    expect(read.document).toMatchObject(parts.document);
    expect(read.document).toMatchObject({
      formatVersion: 1,
      direction: 'higher-is-id',
      classes: 3,
      width: 5,
    });
  });

  it('keeps how parameters were chosen, and refuses what it does not know of that', async () => {
    const parts = smallDetector();
    const tuning = {
      grid: [{ key: 'mask', values: ['10', '50'] }],
      points: 2,
      heldOut: { from: 'calibration' as const, count: 39 },
      outliers: [{ kind: 'crossed', count: 39 }],
      seed: 1,
      fpr95: 0.5,
      auroc: 0.75,
    };
    const tuned = { ...parts, document: { ...parts.document, tuning } };
    expect((await decodeDetector(await encodeDetector(tuned))).document.tuning).toEqual(tuning);
    expect((await decodeDetector(await encodeDetector(parts))).document).not.toHaveProperty('tuning');
    const wrong = await forged((document) => {
      document.tuning = { ...tuning, heldOut: { from: 'ood', count: 39 } };
    });
    expect((await rejectionOf(decodeDetector(wrong))).message).toContain('tuning.heldOut.from');
  });

  it('gives the same bytes whatever the order of keys and scores', async () => {
    const parts = smallDetector();
    const bytes = await encodeDetector(parts);
    const shuffled = await encodeDetector({
      calibrationScores: parts.calibrationScores.toReversed(),
      tensors: Object.fromEntries(Object.entries(parts.tensors).reverse()),
      head: parts.head,
      document: Object.fromEntries(Object.entries(parts.document).reverse()) as unknown as DetectorDraft,
    });
    expect(shuffled).toEqual(bytes);
    expect(await encodeDetector(smallDetector())).toEqual(bytes);
    // Pinned: the bytes must not depend on platform or release either.
    expect(await detectorVersion(bytes)).toBe(PINNED_VERSION);
  });

  it('is identified by the SHA-256 of its bytes, its head by that of weights and bias', async () => {
    const { head } = smallDetector();
    const bytes = await encodeDetector(smallDetector());
    expect(await detectorVersion(bytes)).toBe(sha256(bytes));
    const both = Buffer.concat([new Uint8Array(head.weight.buffer), new Uint8Array(head.bias.buffer)]);
    expect(await fingerprintHead(head)).toBe(sha256(both));
  });

  it('does not touch its input', async () => {
    const parts = smallDetector();
    await encodeDetector(parts);
    expect(parts).toEqual(smallDetector());
  });

  it.each<
    [string, (parts: ReturnType<typeof smallDetector>) => Parameters<typeof encodeDetector>[0], RegExp]
  >([
    [
      'a score that is not a number',
      (p) => ({ ...p, calibrationScores: p.calibrationScores.with(3, Number.NaN) }),
      /calibration.scores\[/,
    ],
    [
      'an infinite weight',
      (p) => ({ ...p, head: { ...p.head, weight: p.head.weight.with(4, Number.POSITIVE_INFINITY) } }),
      /head.weight\[4\]/,
    ],
    [
      'a name that cannot stand in the file',
      (p) => ({ ...p, tensors: { 'a b': p.tensors.mask! } }),
      /himplos.a b/,
    ],
    [
      'a threshold its scores do not give',
      (p) => ({ ...p, calibrationScores: p.calibrationScores.map((s) => s + 1) }),
      /threshold/,
    ],
    [
      'another number of class names',
      (p) => ({ ...p, document: { ...p.document, classNames: ['a'] } }),
      /class names/,
    ],
    [
      'a method called like a prefix',
      (p) => ({ ...p, document: { ...p.document, method: 'head' }, tensors: {} }),
      /called head/,
    ],
  ])('refuses %s', async (_, change, message) => {
    const error = await rejectionOf(encodeDetector(change(smallDetector())));
    expect(error.code).toBe('bad-artifact');
    expect(error.message).toMatch(message);
  });
});

describe('reading a detector', () => {
  it('copies no tensor out of an aligned file', async () => {
    const bytes = await encodeDetector(smallDetector());
    expect((await decodeDetector(bytes)).head.weight.buffer).toBe(bytes.buffer);
  });

  it('refuses every truncation', async () => {
    const bytes = await encodeDetector(smallDetector());
    for (let length = 0; length < bytes.length; length++) {
      expect((await rejectionOf(decodeDetector(bytes.subarray(0, length)))).code).toBe('bad-artifact');
    }
  });

  it('refuses a change of any byte of the header, whatever the change', async () => {
    const bytes = await encodeDetector(smallDetector());
    const headerEnd = 8 + new DataView(bytes.buffer).getUint32(0, true);
    for (let at = 0; at < headerEnd; at++) {
      // 0x29 and 0x2a turn the padding's spaces into tabs and newlines, which JSON would allow.
      for (const flip of [0x01, 0x20, 0x29, 0x2a, 0x80, 0xff]) {
        const damaged = bytes.slice();
        damaged[at]! ^= flip;
        expect((await rejectionOf(decodeDetector(damaged))).code).toBe('bad-artifact');
      }
    }
  });

  it('refuses a changed head', async () => {
    const bytes = await encodeDetector(smallDetector());
    const { head } = await decodeDetector(bytes);
    head.weight[7]! += 1; // a view: changes the file
    expect((await rejectionOf(decodeDetector(bytes))).message).toContain('fingerprint');
  });

  it('refuses other safetensors files, saying what they are', async () => {
    const error = await rejectionOf(decodeDetector(encodeSafetensors({}, {})));
    expect(error).toMatchObject({ code: 'bad-artifact' });
    expect(error.hint).toContain('not a detector');
  });

  it('accepts a forgery that changes nothing', async () => {
    expect(await forged(() => {})).toEqual(await encodeDetector(smallDetector()));
  });

  it('says that another format version was written by another himplos', async () => {
    const error = await rejectionOf(decodeDetector(await forged((document) => (document.formatVersion = 2))));
    expect(error.message).toContain('format version 1, got 2');
    expect(error.hint).toContain('version of himplos');
  });

  type Document = { -readonly [K in keyof DetectorDocument]: DetectorDocument[K] };
  it.each<[string, (document: Document, tensors: Record<string, Tensors[string]>) => void, RegExp]>([
    ['an unknown field', (d) => Object.assign(d, { extra: 1 }), /extra: expected no such field/],
    ['a missing field', (d) => Reflect.deleteProperty(d, 'warnings'), /warnings/],
    ['the other direction', (d) => Object.assign(d, { direction: 'lower-is-id' }), /direction/],
    ['an unknown rule', (d) => Object.assign(d.threshold, { rule: 'quantile' }), /threshold.rule/],
    ['another threshold', (d) => Object.assign(d.threshold, { gamma: 5 }), /threshold is 5/],
    ['another index', (d) => Object.assign(d.threshold, { index: 3 }), /score 3, expected 2/],
    ['another TPR', (d) => Object.assign(d.threshold, { tpr: 0.9 }), /score 2, expected 4/],
    ['a TPR of 1', (d) => Object.assign(d.threshold, { tpr: 1 }), /threshold.tpr/],
    ['fewer classes', (d) => Object.assign(d, { classes: 2 }), /class names/],
    ['another width', (d) => Object.assign(d, { width: 6 }), /head.weight: expected F32 \[3,6\]/],
    [
      'a class missing that was trained',
      (d) => Object.assign(d, { missingClasses: [0, 1] }),
      /missingClasses/,
    ],
    ['classes missing out of order', (d) => Object.assign(d, { missingClasses: [1, 1] }), /missingClasses/],
    ['counts that do not add up', (d) => Object.assign(d.data.train, { count: 91 }), /train per class/],
    [
      'too few classes counted',
      (d) => Object.assign(d.data.evaluation!, { perClass: [20] }),
      /evaluation counts 1/,
    ],
    ['metrics of other sets', (d) => Object.assign(d.metrics.ood[0]!, { name: 'mnist' }), /mnist/],
    ['metrics of other samples', (d) => Object.assign(d.metrics.id, { n: 21 }), /21 evaluation/],
    ['a share above 1', (d) => Object.assign(d.metrics.id, { coverage: 1.01 }), /coverage/],
    [
      'a zero standard deviation',
      (d) => Object.assign(d.preprocessing!, { std: [1, 0, 1] }),
      /preprocessing.std.1/,
    ],
    ['an upper-case digest', (d) => Object.assign(d.model!, { digest: 'A'.repeat(64) }), /model.digest/],
    [
      'a number written otherwise',
      (d) => Object.assign(d.threshold, { calibrationScores: '39' }),
      /calibrationScores/,
    ],
    ['an unlisted tensor', (_, t) => Object.assign(t, { 'himplos.more': t['himplos.mask'] }), /header/],
    [
      'a listed tensor of another method',
      (d, t) => {
        t['knn.bank'] = t['himplos.mask']!;
        Object.assign(d.tensors, { 'knn.bank': d.tensors['himplos.mask'] });
      },
      /knn.bank/,
    ],
    [
      'no calibration scores',
      (d, t) => {
        delete t['calibration.scores'];
        Reflect.deleteProperty(d.tensors, 'calibration.scores');
      },
      /no tensor calibration.scores/,
    ],
    [
      'unsorted calibration scores',
      (_, t) =>
        Object.assign(t, {
          'calibration.scores': { ...t['calibration.scores']!, data: smallDetector().calibrationScores },
        }),
      /smaller than the score before/,
    ],
    [
      'a prototype that is not a number',
      (_, t) => {
        (t['himplos.prototypes']!.data as Float32Array)[2] = Number.NaN;
      },
      /himplos.prototypes\[2\] is NaN/,
    ],
    [
      'a head of another type',
      (d, t) => {
        t['head.bias'] = { dtype: 'F64', shape: [3], data: new Float64Array(3) };
        Object.assign(d.tensors, { 'head.bias': { dtype: 'F64', shape: [3] } });
      },
      /head.bias: expected F32/,
    ],
  ])('refuses %s even when every digest fits', async (_, change, message) => {
    const bytes = await forged((document, tensors) => change(document as unknown as Document, tensors));
    const error = await rejectionOf(decodeDetector(bytes));
    expect(error.code).toBe('bad-artifact');
    expect(error.message).toMatch(message);
  });

  it('refuses a document that is not in canonical form', async () => {
    const { tensors, metadata } = decodeSafetensors(await encodeDetector(smallDetector()));
    const text = ` ${metadata.himplos}`;
    const bytes = encodeSafetensors(tensors, { himplos: text, himplos_sha256: sha256(text) });
    expect((await rejectionOf(decodeDetector(bytes))).message).toContain('canonical');
  });
});
