import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFakeS3 } from '../../servers/fake-s3.ts';
import { hasRadosGateway, needsRadosGateway, startRadosGateway } from '../../servers/radosgw.ts';
import { hasSlurm, needsSlurm, type Slurm, startSlurm } from '../../servers/slurm.ts';
import { newFolder, runWell } from '../run-command.ts';
import { calibrateAtOnce, type DetectorFiles, featureProblem, readDetector } from './shard-runs.ts';

const HIMPLOS = `${process.execPath} ${fileURLToPath(new URL('../../../calibrate/bin.ts', import.meta.url))}`;
const problem = featureProblem(1000);

// A skipped title is not in the output of a whole run.
if (!hasSlurm) console.warn(`No array job is run: Slurm ${needsSlurm}`);
if (!hasRadosGateway) console.warn(`No array job goes through a real S3 server: ${needsRadosGateway}`);

describe.skipIf(!hasSlurm)(`on Slurm (${needsSlurm})`, () => {
  let slurm: Slurm;
  let once: DetectorFiles;
  beforeAll(async () => {
    once = await calibrateAtOnce(problem);
    slurm = await startSlurm();
  });
  afterAll(() => slurm?.close());

  /** An array of 4, and jobs that wait for it. */
  async function submit(
    partials: string,
    after: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const options = problem.options.join(' ');
    const shards = `${HIMPLOS} calibrate ${options} --shard auto/4 --partials ${partials}`;
    let before = await slurm.submit(shards, ['--array=0-3', '--job-name=shard'], env);
    for (const command of after) {
      before = await slurm.submit(`${HIMPLOS} ${command}`, [`--dependency=afterok:${before}`], env);
    }
  }

  it('an array of 4 and a dependent merge make the detector that one process makes', async () => {
    const [partials, out] = [join(newFolder(), 'partials'), join(newFolder(), 'detector')];
    await submit(partials, [`merge ${partials} ${problem.head.join(' ')} --out ${out}`]);
    const output = await slurm.finished();
    expect(existsSync(out), JSON.stringify(output, null, 2)).toBe(true);
    expect(readDetector(out)).toEqual(once);
  });

  it(`partials and the detector go through ${hasRadosGateway ? 'Ceph’s S3' : 'S3 (a fake: needs radosgw)'}`, async () => {
    const server = hasRadosGateway ? await startRadosGateway() : await startFakeS3();
    try {
      const { endpoint, credentials } = server;
      const env = {
        HIMPLOS_S3_ENDPOINT: endpoint,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      };
      if (hasRadosGateway) {
        const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
        await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
        client.destroy();
      }
      const [partials, out, pulled] = [
        's3://bucket/run',
        ...['made', 'pulled'].map((name) => join(newFolder(), name)),
      ];
      const store = '--store s3://bucket/detectors --name animals';
      await submit(
        partials!,
        [
          `merge ${partials} ${problem.head.join(' ')} --out ${out}`,
          `publish ${out} ${store}`,
          `pull ${once.version} ${store} --out ${pulled}`,
        ],
        env,
      );
      const output = await slurm.finished();
      expect(existsSync(pulled!), JSON.stringify(output, null, 2)).toBe(true);
      expect(readDetector(pulled!)).toEqual(once);
    } finally {
      await server.close();
    }
  });

  it('the merge does not start when a shard fails', async () => {
    const [partials, out] = [join(newFolder(), 'partials'), join(newFolder(), 'detector')];
    const shards = `${HIMPLOS} calibrate ${problem.options.join(' ')} --shard auto/3 --partials ${partials}`;
    const array = await slurm.submit(shards, ['--array=0-3', '--job-name=failing']);
    const merge = `${HIMPLOS} merge ${partials} ${problem.head.join(' ')} --out ${out}`;
    await slurm.submit(merge, [`--dependency=afterok:${array}`, '--kill-on-invalid-dep=yes']);
    const output = await slurm.finished();
    expect(existsSync(out)).toBe(false);
    expect(output[`failing-${array}-3.txt`]).toContain('SLURM_ARRAY_TASK_ID: expected an index from 0 to 2');
    await runWell(['merge', partials, ...problem.head, '--out', out]);
    expect(readDetector(out)).toEqual(once);
  });
});
