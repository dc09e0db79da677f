import { describe, expect, it } from 'vitest';
import {
  decodeManifest,
  describeFile,
  encodeManifest,
  MAX_MANIFEST_BYTES,
  makeManifest,
  manifestEntry,
  verifyFile,
} from '../../../shared/artifact/manifest.ts';
import { failureOf, rejectionOf } from '../formats/expect-failure.ts';

const detector = { name: 'detector.safetensors', bytes: 5, sha256: 'a'.repeat(64) } as const;
const report = { name: 'report.json', bytes: 0, sha256: 'b'.repeat(64) } as const;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('the manifest', () => {
  it('lists files in a fixed order under the version of the detector', () => {
    const manifest = makeManifest([report, detector]);
    expect(manifest).toEqual({ formatVersion: 1, version: 'a'.repeat(64), files: [detector, report] });
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
  });

  it('is canonical JSON on one line', () => {
    expect(text(encodeManifest(makeManifest([detector])))).toBe(
      `{"files":[{"bytes":5,"name":"detector.safetensors","sha256":"${'a'.repeat(64)}"}],"formatVersion":1,"version":"${'a'.repeat(64)}"}\n`,
    );
  });

  it('cannot be made without a detector', () => {
    expect(failureOf(() => makeManifest([report])).code).toBe('bad-artifact');
  });

  it('refuses every truncation and every changed byte but those of digests and sizes', () => {
    const bytes = encodeManifest(makeManifest([detector, report]));
    const whole = text(bytes);
    for (let length = 0; length < bytes.length; length++) {
      expect(failureOf(() => decodeManifest(bytes.subarray(0, length))).code).toBe('bad-artifact');
    }
    let passed = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [0x01, 0x20, 0x80, 0xff]) {
        const damaged = bytes.slice();
        damaged[at]! ^= flip;
        try {
          // What passes is another valid digest or size, which verifyFile compares with the file.
          expect(text(encodeManifest(decodeManifest(damaged)))).toBe(text(damaged));
          expect(whole.charAt(at)).toMatch(/[0-9b]/);
          passed++;
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-artifact' });
        }
      }
    }
    expect(passed).toBeGreaterThan(0);
  });

  it.each([
    ['another file name', 'report.json', '../etc/pwd'],
    ['the manifest itself', 'report.json', 'manifest.json'],
    ['a file twice', 'report.json', 'detector.safetensors'],
    ['another version', '"version":"a', '"version":"c'],
    ['a newer format', '"formatVersion":1', '"formatVersion":2'],
    ['a negative size', '"bytes":5', '"bytes":-5'],
    ['an unsafe size', '"bytes":5', '"bytes":9007199254740992'],
    ['an unknown field', '"bytes":5', '"bytes":5,"mode":7'],
    ['a field twice', '"bytes":5', '"bytes":5,"bytes":5'],
    ['spaces', '{"files"', '{ "files"'],
  ])('refuses %s', (_, from, to) => {
    const changed = text(encodeManifest(makeManifest([detector, report]))).replace(from, to);
    expect(failureOf(() => decodeManifest(new TextEncoder().encode(changed))).code).toBe('bad-artifact');
  });

  it('refuses an overlong file', () => {
    expect(failureOf(() => decodeManifest(new Uint8Array(MAX_MANIFEST_BYTES + 1))).code).toBe('bad-artifact');
  });

  it('names what a version has when a file is missing', () => {
    const error = failureOf(() => manifestEntry(makeManifest([detector, report]), 'detector.onnx'));
    expect(error.message).toContain('detector.safetensors, report.json');
  });

  it('verifies length and content', async () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const entry = await describeFile('report.json', bytes);
    await verifyFile(entry, bytes);
    expect((await rejectionOf(verifyFile(entry, bytes.subarray(1)))).message).toContain('3 bytes, got 2');
    expect((await rejectionOf(verifyFile(entry, Uint8Array.of(1, 2, 4)))).message).toContain('SHA-256');
  });
});
