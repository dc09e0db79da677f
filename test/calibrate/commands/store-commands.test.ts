import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newFolder, readError, runCommand, runWell } from '../run-command.ts';
import { smallDetectorFolder } from '../versions/small-detectors.ts';

describe('the commands of a store', () => {
  let first: string;
  let second: string;
  let blind: string;
  beforeAll(async () => {
    first = await smallDetectorFolder({ name: 'birds' });
    second = await smallDetectorFolder({ name: 'birds', trainSeed: 11 });
    blind = await smallDetectorFolder({ name: 'birds', method: 'himplos:mask=50,clip=0.01' });
  });

  let store: string;
  let gates: string;
  beforeEach(async () => {
    store = join(newFolder(), 'store');
    gates = join(newFolder(), 'gates.json');
    await writeFile(gates, '{"maxAurocDrop":0.1,"maxChangedDecisions":0.3}');
  });
  const at = () => ['--store', store, '--name', 'birds'];
  const publish = async (folder: string): Promise<string> => {
    const { stdout } = await runWell(['publish', folder, '--store', store, '--json']);
    return (JSON.parse(stdout) as { version: string }).version;
  };

  it('publish, promote, list, compare, roll back, verify, pull and prune', async () => {
    const [a, b] = [await publish(first), await publish(second)];
    expect((await runWell(['promote', a, ...at()])).stdout).toMatch(
      /promoted production: nothing → .*generation 1\n$/,
    );
    const promoted = await runWell([
      'promote',
      b.slice(0, 8),
      ...at(),
      '--gates',
      gates,
      '--by',
      'ada',
      '--reason',
      'newer',
    ]);
    expect(promoted.stdout).toContain('passed  auroc noise: ');
    expect(promoted.stdout).toMatch(/generation 2\n$/);

    const listed = await runWell(['versions', ...at()]);
    expect(listed.stdout).toMatch(/^version +published +method +AUROC +γ +channels\n/);
    expect(listed.stdout).toContain('production');
    const summaries = JSON.parse((await runWell(['versions', ...at(), '--json'])).stdout);
    expect(summaries).toHaveLength(2);
    expect(summaries.find(({ version }: { version: string }) => version === b)).toMatchObject({
      state: 'complete',
      channels: ['production'],
    });

    const compared = await runWell(['diff', a, 'production', ...at()]);
    expect(compared.stdout).toMatch(/threshold γ .*\n/);
    expect(compared.stdout).toMatch(
      /figures from the same evaluation rows; \d+\.\d\d % of decisions differ\n$/,
    );

    expect((await runWell(['rollback', ...at()])).stdout).toMatch(/generation 3\n$/);
    expect((await runWell(['verify', ...at()])).stdout).toBe('3 versions and channels are whole\n');
    const out = join(newFolder(), 'pulled');
    expect((await runWell(['pull', 'production', ...at(), '--out', out])).stdout).toContain(a);
    await publish(out);
    const pruned = JSON.parse((await runWell(['prune', '--keep', '0', ...at(), '--json'])).stdout);
    expect(pruned).toMatchObject({ removed: [], spared: [a, b].sort() });
  });

  it('exit with 1 at a failed gate, say which and by how much, and change nothing', async () => {
    await runWell(['promote', await publish(first), ...at()]);
    const version = await publish(blind);
    const { status, stdout } = await runCommand(['promote', version, ...at(), '--gates', gates]);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /FAILED {2}auroc noise: \d+\.\d\d % → \d+\.\d\d %: fell by \d+\.\d\d points, may fall by 10\.00\n/,
    );
    expect(stdout).toMatch(/not promoted .*: \d of 8 gates failed\n$/);
    const json = await runCommand(['promote', version, ...at(), '--gates', gates, '--json']);
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ isPromoted: false, generation: null });
    expect(readError(await runCommand(['promote', version, ...at(), '--force'])).message).toContain('reason');
    const forced = await runWell([
      'promote',
      version,
      ...at(),
      '--gates',
      gates,
      '--force',
      '--by',
      'ada',
      '--reason',
      'trial',
    ]);
    expect(forced.stdout).toContain('in spite of');
  });

  it('exit with 2 and say what is damaged', async () => {
    const version = await publish(first);
    await writeFile(join(store, 'birds/versions', version, 'report.json'), 'x');
    const result = await runCommand(['verify', ...at()]);
    expect(result.stdout).toMatch(/^DAMAGED {2}version [0-9a-f]{12}: report.json: /);
    expect(readError(result).message).toBe('1 problems in 1 versions and channels');
    const out = join(newFolder(), 'pulled');
    expect(readError(await runCommand(['pull', version, ...at(), '--out', out])).message).toContain(
      'report.json',
    );
  });

  it('list what is unfinished or damaged, and prune it', async () => {
    const version = await publish(first);
    await writeFile(join(store, 'birds/versions', version, 'detector.safetensors'), 'x');
    expect((await runWell(['versions', ...at()])).stdout).toContain('(damaged)');
    const dry = await runWell(['prune', '--keep', '0', '--dry-run', ...at()]);
    expect(dry.stdout).toContain(`would remove ${version.slice(0, 12)} (old, `);
    expect((await runWell(['prune', '--keep', '0', ...at()])).stdout).toMatch(
      /^removed .*\n1 versions removed\n$/,
    );
    expect((await runWell(['versions', ...at()])).stdout).toContain('has no version of birds');
  });

  it.each([
    [['versions', '--name', 'birds'], 'no store was named'],
    [['versions', '--store', 's3://key:secret@bucket', '--name', 'birds'], 'expected an address like'],
    [['versions', '--store', 'gs://bucket', '--name', 'birds'], 'starts with gs://'],
    [['versions', '--store', '/nowhere'], 'no detector was named'],
    [['versions', '--store', '/nowhere', '--name', '../x'], 'detector name'],
    [['rollback', '--store', '/nowhere', '--name', 'birds'], 'no channel production'],
    [['promote', 'abcdef', '--store', '/nowhere', '--name', 'birds', '--by', 'a\nb'], '--by'],
    [['prune', '--keep', 'x', '--store', '/nowhere', '--name', 'birds'], '--keep'],
  ] as const)('refuse %j with an error and a hint', async (argv, message) => {
    const error = readError(await runCommand(argv));
    expect(error.message).toContain(message);
    expect(error.message + error.hint).not.toContain('secret');
  });
});
