import type { Detector, Head } from '../../shared/methods/contract.ts';
import type { Statistic } from '../../shared/statistics/contract.ts';
import type { ObjectStore } from '../../shared/store/object-store.ts';
import { labelledRows } from '../calibration/calibrate-detector.ts';
import type { InputOptions } from '../calibration/gather-inputs.ts';
import { openInputs } from '../calibration/open-inputs.ts';
import { countSamples, type Roles } from '../calibration/open-roles.ts';
import { gatherSet, type Role } from '../features/gather-set.ts';
import { openWorkspace } from '../features/workspace.ts';
import type { Io } from '../io.ts';
import { advancePasses } from './advance-passes.ts';
import { makePlan } from './make-plan.ts';
import { readMergedPasses } from './merged-passes.ts';
import { readPartialHeader } from './partial-file.ts';
import { findObject, shardIdentity, shardKey } from './partial-keys.ts';
import { agreeOnPlan, type Plan, stampOf } from './plan.ts';
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
  const plan = await makePlan({ ...options, method: detector.spec, shards: shard.count }, opened);
  await agreeOnPlan(store, plan, signal);
  const { needsRows, pass, statistics } = await findWork(options, plan, opened.head, signal);
  if (!needsRows && statistics.length === 0) {
    return ['nothing left to do before himplos merge: its partials are there'];
  }
  const done: string[] = [];
  const { folder } = resources.use(await openWorkspace(options.cache));
  const { classes } = opened.head;
  const recorder = new RowRecorder();
  const gather = async (key: string, role: Role): Promise<NamedSet> => {
    // Nothing is summed up over the held-out sets here, so they can be cut as small as they are.
    const ofBlocks = key === 'train' ? classes : 0;
    const range = partOfShard(await countSamples(role.source), ofBlocks, shard).samples;
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
  if (statistics.length > 0) {
    const { set } = train;
    const { blocks } = partOfShard(set.samples, classes, shard);
    const identity = { ...shardIdentity(pass, shard.index, stampOf(plan)), rowsDigest: set.digest };
    const rows = () => labelledRows(set);
    const work = { statistics, head: opened.head, totalRows: set.samples, blocks, rows };
    await writeShardPass(store, shardKey(pass, shard), identity, work, signal);
    done.push(`pass ${pass}: ${describeStatistics(statistics)} of ${set.rows} training rows`);
  }
  return done;
}

/** What a shard has to do now. */
interface Work {
  readonly needsRows: boolean;
  readonly pass: number;
  /** Over the training rows; none where there is nothing to do for the pass. */
  readonly statistics: readonly Statistic<unknown>[];
}

/**
 * What is missing of a shard up to the first pass that is not merged. Where that is nothing, passes that all shards have
 * delivered are merged first, so that arrays of shards may follow each other without a merge in between.
 */
async function findWork(
  { shard, store, detector }: ShardOptions,
  plan: Plan,
  head: Head,
  signal: AbortSignal,
): Promise<Work> {
  const isMissing = async (pass: number): Promise<boolean> => {
    const object = await findObject(store, shardKey(pass, shard), signal);
    if (object === undefined) return true;
    await readPartialHeader(store, object, shardIdentity(pass, shard.index, stampOf(plan)), signal);
    return false;
  };
  const needsRows = await isMissing(0);
  const merged = await readMergedPasses(store, plan, detector, head, signal);
  const { fit } = merged;
  const currentWork = async (): Promise<Work> => {
    const { pass = 0, statistics = [] } = fit.state;
    const ofTrain = statistics.filter(({ over }) => over === 'train');
    return { needsRows, pass, statistics: ofTrain.length > 0 && (await isMissing(pass)) ? ofTrain : [] };
  };
  const work = await currentWork();
  if (needsRows || work.statistics.length > 0 || fit.state.pass === undefined) return work;
  using workspace = await openWorkspace(undefined);
  const { folder } = workspace;
  const { keep } = await advancePasses({ plan, head, store, merged, folder, signal, isPatient: true });
  // After the last pass the next one to merge is the merge itself.
  if (fit.state.pass !== undefined) await keep();
  return currentWork();
}

function describeStatistics(statistics: readonly Statistic<unknown>[]): string {
  return statistics.map(({ key }) => key.split(':')[0]).join(', ');
}
