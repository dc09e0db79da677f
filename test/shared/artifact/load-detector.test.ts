import { beforeEach, describe, expect, it } from 'vitest';
import { encodeDetector } from '../../../shared/artifact/detector.ts';
import { sha256Hex } from '../../../shared/artifact/digest.ts';
import {
  type ArtifactReader,
  loadArtifactFile,
  loadDetector,
  loadManifest,
} from '../../../shared/artifact/load-detector.ts';
import { describeFile, encodeManifest, makeManifest } from '../../../shared/artifact/manifest.ts';
import { HimplosError } from '../../../shared/errors.ts';
import { rejectionOf } from '../formats/expect-failure.ts';
import { smallDetector } from './small-detector.ts';

describe('loading a detector', () => {
  let files: Map<string, Uint8Array>;
  let detector: Uint8Array;
  const reader: ArtifactReader = {
    address: 'memory',
    read: async (name, maxBytes) => {
      const bytes = files.get(name);
      if (bytes === undefined) throw new HimplosError('not-found', `no ${name}`);
      if (bytes.length > maxBytes) throw new HimplosError('too-large', `${name} is over ${maxBytes} bytes`);
      return bytes;
    },
  };

  beforeEach(async () => {
    detector = await encodeDetector(smallDetector());
    const report = new TextEncoder().encode('{}');
    const entries = [
      await describeFile('detector.safetensors', detector),
      await describeFile('report.json', report),
    ];
    files = new Map([
      ['detector.safetensors', detector],
      ['report.json', report],
      ['manifest.json', encodeManifest(makeManifest(entries))],
    ]);
  });

  it('gives document, head, tensors, scores and version', async () => {
    const loaded = await loadDetector(reader);
    expect(loaded.version).toBe(await sha256Hex(detector));
    expect(loaded.document.name).toBe('birds');
    expect(loaded.head).toEqual(smallDetector().head);
    expect(loaded.manifest.files).toHaveLength(2);
  });

  it('refuses any changed byte of the detector', async () => {
    for (let at = 0; at < detector.length; at++) {
      files.set('detector.safetensors', detector.with(at, detector[at]! ^ 0x10));
      expect((await rejectionOf(loadDetector(reader))).code).toBe('bad-artifact');
    }
  });

  it('refuses a shorter, longer or absent detector as damage', async () => {
    for (const damaged of [detector.subarray(1), new Uint8Array(detector.length + 1)]) {
      files.set('detector.safetensors', damaged);
      expect((await rejectionOf(loadDetector(reader))).code).toBe('bad-artifact');
    }
    files.delete('detector.safetensors');
    expect((await rejectionOf(loadDetector(reader))).code).toBe('bad-artifact');
  });

  it('says that a folder without a manifest was never finished', async () => {
    files.delete('manifest.json');
    const error = await rejectionOf(loadDetector(reader));
    expect(error.code).toBe('not-found');
    expect(error.hint).toContain('never finished');
  });

  it('refuses a manifest over its bound', async () => {
    files.set('manifest.json', new Uint8Array(1_000_000));
    expect((await rejectionOf(loadDetector(reader))).code).toBe('bad-artifact');
  });

  it('accepts only the version and manifest that were promised', async () => {
    const version = await sha256Hex(detector);
    const manifestSha256 = await sha256Hex(files.get('manifest.json')!);
    expect((await loadDetector(reader, { version, manifestSha256 })).version).toBe(version);
    expect((await rejectionOf(loadDetector(reader, { version: '0'.repeat(64) }))).code).toBe('bad-artifact');
    expect((await rejectionOf(loadDetector(reader, { manifestSha256: version }))).code).toBe('bad-artifact');
  });

  it('refuses a detector over the limit before reading it', async () => {
    files.delete('detector.safetensors');
    expect((await rejectionOf(loadDetector(reader, { maxBytes: detector.length - 1 }))).code).toBe(
      'too-large',
    );
  });

  it('passes on faults of the reader', async () => {
    const fault = new HimplosError('unavailable', 'the network is gone');
    const broken: ArtifactReader = { address: 'x', read: () => Promise.reject(fault) };
    await expect(loadDetector(broken)).rejects.toBe(fault);
  });

  it('reads and verifies the other files', async () => {
    const manifest = await loadManifest(reader);
    expect(await loadArtifactFile(reader, manifest, 'report.json', 100)).toHaveLength(2);
    files.set('report.json', new TextEncoder().encode('[]'));
    expect((await rejectionOf(loadArtifactFile(reader, manifest, 'report.json', 100))).code).toBe(
      'bad-artifact',
    );
    expect((await rejectionOf(loadArtifactFile(reader, manifest, 'detector.onnx', 100))).code).toBe(
      'bad-artifact',
    );
  });
});
