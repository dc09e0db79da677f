import { createHash } from 'node:crypto';
import { fingerprintHead } from '../../shared/artifact/detector.ts';
import { HimplosError } from '../../shared/errors.ts';
import { tensorBytes } from '../../shared/formats/element-types.ts';
import type { Detector } from '../../shared/methods/contract.ts';
import type { Statistic } from '../../shared/statistics/contract.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { labelledRows } from '../calibration/calibrate-detector.ts';
import type { InputOptions } from '../calibration/gather-inputs.ts';
import { type OpenInputs, openInputs } from '../calibration/open-inputs.ts';
import { countSamples, type Roles } from '../calibration/open-roles.ts';
import { gatherSet, type Role } from '../features/gather-set.ts';
import { openWorkspace } from '../features/workspace.ts';
import type { Io } from '../io.ts';
import { toolVersion } from '../tool-version.ts';
import { readMergedPasses } from './merged-passes.ts';
import type { PartialIdentity } from './partial-document.ts';
import { readPartialHeader } from './partial-file.ts';
import { findObject, shardIdentity, shardKey } from './partial-keys.ts';
import { agreeOnPlan, digestOf, type Outline, type Plan, stampOf } from './plan.ts';
import { writeShardPass } from './reduce-shard.ts';
import type { Shard } from './shard-index.ts';
import { partOfShard } from './shard-range.ts';
import { type NamedSet, RowRecorder, writeShardRows } from './shard-rows.ts';

/** What a shard of a calibration works from. */
export interface ShardOptions extends InputOptions {
  readonly detector: Detector;
  readonly tpr: number;
  readonly name: string | null;
  readonly shard: Shard;
  readonly store: ObjectStore;
}

/**
 * One shard's part of a calibration: its rows, and its statistics of the first pass that is not merged yet. What is in
 * the store already is not computed again.
 * @returns sentences that say what was done
 * @throws `conflict` when the store holds another calibration's partials; and what calibrating throws
 */
export async function runShard(
  options: ShardOptions,
  io: Io,
  check: (roles: Roles) => Promise<void>,
): Promise<readonly string[]> {
  const { detector, shard, store } = options;
  const { signal } = io;
  await using resources = new AsyncDisposableStack();
  const opened = await openInputs(options, io, check, resources);
  const plan = await makePlan(options, opened);
  await agreeOnPlan(store, plan, signal);
  const { replay } = await readMergedPasses(store, plan, detector, opened.head, signal);
  const statistics = (replay.statistics ?? []).filter(({ over }) => over === 'train');
  const pass = replay.pass ?? 0;
  const needsRows = !(await isWritten(store, 0, options, plan, signal));
  const needsPass = statistics.length > 0 && !(await isWritten(store, pass, options, plan, signal));
  const done: string[] = [];
  if (!needsRows && !needsPass) {
    done.push(`nothing left to do before the next himplos merge: its partials are in ${store.address}`);
    return done;
  }
  const { folder } = resources.use(await openWorkspace(options.cache));
  const recorder = new RowRecorder();
  const gather = async (key: string, role: Role): Promise<NamedSet> => {
    const range = partOfShard(await countSamples(role.source), shard).samples;
    const context = { ...opened.gathering, folder, overlap: recorder, io };
    return { key, set: await gatherSet({ ...role, range }, context) };
  };
  const train = await gather('train', opened.train);
  if (needsRows) {
    const sets = [train, await gather('calibration', opened.calibration)];
    if (opened.evaluation !== undefined) sets.push(await gather('evaluation', opened.evaluation));
    for (const [i, { role }] of opened.ood.entries()) sets.push(await gather(`ood.${i}`, role));
    const identity = shardIdentity(0, shard.index, stampOf(plan));
    await writeShardRows(store, shardKey(0, shard), identity, { sets, recorder }, signal);
    done.push(`${sets.reduce((rows, { set }) => rows + set.rows, 0)} rows looked at`);
  }
  if (needsPass) {
    const { set } = train;
    const { blocks } = partOfShard(set.samples, shard);
    const identity = { ...shardIdentity(pass, shard.index, stampOf(plan)), rowsDigest: set.digest };
    const rows = () => labelledRows(set);
    const work = { statistics, head: opened.head, totalRows: set.samples, blocks, rows };
    await writeShardPass(store, shardKey(pass, shard), identity, work, signal);
    done.push(`pass ${pass}: ${describeStatistics(statistics)} of ${set.rows} training rows`);
  }
  return done;
}

/** Whether a shard has delivered already. Throws `conflict` when something else lies in its place. */
async function isWritten(
  store: ObjectStore,
  pass: number,
  { shard }: ShardOptions,
  plan: Plan,
  signal: AbortSignal,
): Promise<boolean> {
  const object = await findObject(store, shardKey(pass, shard), signal);
  if (object === undefined) return false;
  const identity: PartialIdentity = shardIdentity(pass, shard.index, stampOf(plan));
  await readPartialHeader(store, object, identity, signal);
  return true;
}

async function makePlan(options: ShardOptions, opened: OpenInputs): Promise<Plan> {
  const { head, model, preprocessing, classNames, gathering } = opened;
  const { train, calibration, evaluation, ood } = opened;
  const outlines = {
    train: await outlineOf(train),
    calibration: await outlineOf(calibration),
    evaluation: evaluation === undefined ? null : await outlineOf(evaluation),
    ood: [] as (Outline & { name: string })[],
  };
  for (const { name, role } of ood) outlines.ood.push({ name, ...(await outlineOf(role)) });
  const all = [outlines.train, outlines.calibration, outlines.evaluation, ...outlines.ood];
  const { images } = gathering;
  return {
    formatVersion: 1,
    toolVersion,
    shards: options.shard.count,
    head: { classes: head.classes, width: head.width, fingerprint: await fingerprintHead(head), model },
    parameters: {
      method: options.detector.spec,
      tpr: options.tpr,
      name: options.name,
      headInput: options.headInput ?? null,
      allowMissingClasses: options.allowMissingClasses === true,
      allowOverlap: options.allowOverlap === true,
      skipBad: options.skipBad === true,
      preprocessing,
      images:
        images !== undefined && all.some((outline) => outline?.kind === 'images')
          ? { batch: images.extractor.fixedBatch ?? images.batch, device: images.extractor.device }
          : null,
      classNames,
    },
    inputs: outlines,
  };
}

async function outlineOf({ name, source }: Role): Promise<Outline> {
  const { kind } = source;
  const samples = await countSamples(source);
  if (samples === 0) {
    throw new HimplosError('bad-input', `${name} ${source.address}: expected samples, got none`, {
      hint: 'himplos inspect says what a source holds',
    });
  }
  if (source.kind === 'features') {
    const { labels } = source;
    const bytes =
      labels === undefined ? '' : tensorBytes({ dtype: 'I32', data: labels, shape: [labels.length] });
    return { kind, samples, digest: createHash('sha256').update(bytes).digest('hex') };
  }
  const { classes } = await source.survey();
  return { kind, samples, digest: digestOf([...classes]) };
}

function describeStatistics(statistics: readonly Statistic<unknown>[]): string {
  return statistics.map(({ key }) => key.split(':')[0]).join(', ');
}
