import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pruneVersions } from '../../../calibrate/versions/prune.ts';
import { publishFolder } from '../../../calibrate/versions/publish.ts';
import { verifyDetector } from '../../../calibrate/versions/verify.ts';
import { loadManifest } from '../../../shared/artifact/load-detector.ts';
import { type ArtifactFile, MANIFEST_FILE } from '../../../shared/artifact/manifest.ts';
import {
  artifactFileBody,
  openArtifactFolder,
  writeArtifactFolder,
} from '../../../shared/store/artifact-folder.ts';
import { readChannel } from '../../../shared/store/channels.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { openS3Store } from '../../../shared/store/s3-store.ts';
import { type FakeS3, startFakeS3 } from '../../servers/fake-s3.ts';
import { newFolder } from '../run-command.ts';
import { smallDetectorFolder } from './small-detectors.ts';

const program = fileURLToPath(new URL('../../../calibrate/bin.ts', import.meta.url));

/** The command line in its own process, killed at each request that reaches the server: before and after it is done. */
describe('a kill -9 at any request to S3', () => {
  let folder: string;
  let version: string;
  beforeAll(async () => {
    const small = await smallDetectorFolder({ name: 'birds' });
    const manifest = await loadManifest(openArtifactFolder(small));
    const others = manifest.files.filter(({ name }) => name !== 'report.html');
    const files = others.map((entry) => ({ name: entry.name, body: artifactFileBody(small, entry) }));
    // Large enough to be sent in parts.
    const large = { name: 'report.html' as ArtifactFile, body: randomBytes(9 * 1024 * 1024) };
    folder = join(newFolder(), 'detector');
    ({ version } = await writeArtifactFolder(folder, [...files, large]));
  });

  let fake: FakeS3;
  let store: ObjectStore;
  beforeEach(async () => {
    fake = await startFakeS3();
    const { endpoint, credentials } = fake;
    store = openS3Store('s3://bucket/detectors', { endpoint, credentials });
  });
  afterEach(() => fake.close());

  function start(...argv: string[]): ChildProcess {
    const { accessKeyId, secretAccessKey } = fake.credentials;
    return spawn(
      process.execPath,
      [program, ...argv, '--endpoint', fake.endpoint, '--store', 's3://bucket/detectors', '--name', 'birds'],
      {
        env: { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
        stdio: 'ignore',
      },
    );
  }

  /** Kills the process at its n-th request; resolves to whether it was killed. */
  async function killAt(n: number, moment: 'before' | 'after', ...argv: string[]): Promise<boolean> {
    const child = start(...argv);
    const arrived: unknown[] = [];
    fake.hook = async (request, now) => {
      if (now === 'before') arrived.push(request);
      if (arrived[n - 1] !== request || now !== moment) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
      // Before: the request never arrived.
      if (moment === 'before') throw new Error('killed');
    };
    const [exitCode, signal] =
      child.exitCode === null && child.signalCode === null
        ? await once(child, 'exit')
        : [child.exitCode, child.signalCode];
    fake.hook = undefined;
    if (signal === 'SIGKILL') return true;
    expect(exitCode).toBe(0);
    return false;
  }

  it('leaves publish with nothing or everything, and a rerun succeeds', async () => {
    let wasKilled = true;
    let kills = 0;
    for (let n = 1; wasKilled; n++) {
      for (const moment of ['before', 'after'] as const) {
        fake.objects.clear();
        wasKilled = await killAt(n, moment, 'publish', folder);
        if (wasKilled) kills++;
        const isVisible = fake.objects.has(`bucket/detectors/birds/versions/${version}/${MANIFEST_FILE}`);
        const { problems, unfinished, checked } = await verifyDetector(store, 'birds');
        expect(problems).toEqual([]);
        expect(checked).toBe(isVisible ? 1 : 0);
        // What is left is found, and removed, once it is old.
        const later = {
          keep: 1,
          graceMs: 1000,
          nowMs: Date.now() + 60_000,
          id: `prune ${n}`,
          isDryRun: true,
        };
        expect((await pruneVersions(store, 'birds', later)).removed.map((left) => left.version)).toEqual(
          unfinished,
        );
        expect((await publishFolder(folder, store, 'birds')).isNew).toBe(!isVisible);
        expect((await verifyDetector(store, 'birds')).problems).toEqual([]);
      }
    }
    // Pin, manifest, five files of which one in two parts, manifest, pin, and a look at each file.
    expect(kills).toBeGreaterThan(2 * 15);
    expect(fake.uploads.size).toBeGreaterThan(0);
    expect(await store.sweep(-1000)).toBeGreaterThan(0);
    expect(fake.uploads.size).toBe(0);
  });

  it('leaves promote with the old state or the new one, and a rerun succeeds', async () => {
    await publishFolder(folder, store, 'birds');
    let wasKilled = true;
    let kills = 0;
    for (let n = 1; wasKilled; n++) {
      for (const moment of ['before', 'after'] as const) {
        const channel = `channel-${n}-${moment}`;
        wasKilled = await killAt(n, moment, 'promote', version, '--channel', channel);
        if (wasKilled) kills++;
        const state = await readChannel(store, { detector: 'birds', channel });
        if (!wasKilled) expect(state?.document.version).toBe(version);
        expect((await verifyDetector(store, 'birds')).problems).toEqual([]);
        if (state === undefined) {
          const [exitCode] = await once(start('promote', version, '--channel', channel), 'exit');
          expect(exitCode).toBe(0);
        }
      }
    }
    expect(kills).toBeGreaterThan(2 * 5);
  });
}, 600_000);
