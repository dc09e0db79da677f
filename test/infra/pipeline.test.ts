import { beforeAll, describe, expect, it } from 'vitest';
import { environment } from '../../infra/environments/example.ts';
import { newFolder } from '../calibrate/run-command.ts';
import { StateError, type TaskHandler, walk } from './states-interpreter.ts';
import { buildInto, ofType, plain, synthesize } from './synthesize-environment.ts';

const CONTEXT = { Execution: { Name: 'night-1', Id: 'arn:aws:states:…:night-1' } };
const SHARD_PHASES = 2;

type Definition = Parameters<typeof walk>[0];
type Parameters_ = {
  JobName?: string;
  ArrayProperties?: { Size: number };
  ContainerOverrides?: { Environment: { Name: string; Value: string }[] };
  Subject?: string;
  Message?: string;
};

/** What AWS Batch says of a job that failed: Step Functions hands it on as the error's cause. */
function failedJob(exitCode: number | undefined): StateError {
  const container = exitCode === undefined ? {} : { ExitCode: exitCode };
  return new StateError('States.TaskFailed', JSON.stringify({ Status: 'FAILED', Container: container }));
}

describe('state machine of recalibration', () => {
  let definition: Definition;
  beforeAll(async () => {
    const input = structuredClone(environment) as typeof environment;
    const { recalibration } = input;
    const synthesis = await synthesize(
      { ...input, recalibration: { ...recalibration!, phases: SHARD_PHASES } },
      await buildInto(newFolder()),
      newFolder(),
    );
    const [[, machine] = []] = ofType(synthesis, 'AWS::StepFunctions::StateMachine');
    const { DefinitionString, DefinitionSubstitutions } = machine!.Properties;
    const text = plain(DefinitionString).replace(/\$\{(\w+)\}/g, (_, name: string) => {
      expect(DefinitionSubstitutions, `substitution ${name}`).toHaveProperty(name);
      return plain(DefinitionSubstitutions[name]);
    });
    definition = JSON.parse(text);
  });

  /** Walks with jobs that fail as told; returns the walk, the jobs submitted and the messages sent. */
  function run(fail: (job: string, attempt: number) => StateError | undefined) {
    const jobs: Parameters_[] = [];
    const messages: Parameters_[] = [];
    const task: TaskHandler = (resource, value, attempt) => {
      const parameters = value as unknown as Parameters_;
      if (resource.endsWith(':sns:publish')) {
        messages.push(parameters);
        return {};
      }
      expect(resource).toBe('arn:aws:states:::batch:submitJob.sync');
      jobs.push(parameters);
      const error = fail(parameters.JobName!, attempt);
      if (error !== undefined) throw error;
      return { Status: 'SUCCEEDED' };
    };
    return { ...walk(definition, {}, CONTEXT, task), jobs, messages };
  }

  it('runs an array of shards for each phase, merges, promotes and says so', () => {
    const { status, states, jobs, messages } = run(() => undefined);
    expect(status).toBe('SUCCEEDED');
    expect(states).toEqual(['Phase 1', 'Phase 2', 'Merge', 'Promote', 'Report the promotion', 'Promoted']);
    expect(jobs.map(({ JobName, ArrayProperties }) => [JobName, ArrayProperties?.Size])).toEqual([
      ['himplos-shard', 4],
      ['himplos-shard', 4],
      ['himplos-merge', undefined],
      ['himplos-promote', undefined],
    ]);
    for (const { ContainerOverrides } of jobs) {
      expect(ContainerOverrides?.Environment).toEqual([
        { Name: 'HIMPLOS_PARTIALS', Value: expect.stringMatching(/^s3:\/\/<\w+>\/work\/example\/night-1$/) },
        { Name: 'HIMPLOS_RUN', Value: 'night-1' },
      ]);
    }
    expect(messages.map(({ Subject }) => Subject)).toEqual(['himplos: promoted']);
    expect(messages[0]?.Message).toContain(CONTEXT.Execution.Id);
  });

  it('runs an array again when a shard failed for good, once', () => {
    const { status, jobs } = run((job, attempt) =>
      job === 'himplos-shard' && attempt === 1 ? failedJob(137) : undefined,
    );
    expect(status).toBe('SUCCEEDED');
    expect(jobs).toHaveLength(2 * SHARD_PHASES + 2);
  });

  it('ends in an alarm when the second attempt fails too, without merging', () => {
    const { status, states, error, messages } = run((job) =>
      job === 'himplos-shard' ? failedJob(2) : undefined,
    );
    expect(states).toEqual(['Phase 1', 'Report a failure', 'Failed']);
    expect([status, error]).toEqual(['FAILED', 'RecalibrationFailed']);
    expect(messages.map(({ Subject }) => Subject)).toEqual(['himplos: recalibration failed']);
  });

  it('leaves the channel alone and says so when a gate fails; that is a decision, not a failure', () => {
    const { status, states, messages } = run((job) => (job === 'himplos-promote' ? failedJob(1) : undefined));
    expect(status).toBe('SUCCEEDED');
    expect(states.slice(-2)).toEqual(['Report failed gates', 'Not promoted']);
    expect(messages.map(({ Subject }) => Subject)).toEqual(['himplos: not promoted']);
  });

  it('changes nothing and says nothing when the same input gave the same version', () => {
    const { status, states, messages } = run((job) => (job === 'himplos-promote' ? failedJob(3) : undefined));
    expect([status, states.at(-1)]).toEqual(['SUCCEEDED', 'Unchanged']);
    expect(messages).toEqual([]);
  });

  it('publishes and promotes nothing when merge refuses, and does not ask it again', () => {
    const { status, error, jobs, messages } = run((job) =>
      job === 'himplos-merge' ? failedJob(2) : undefined,
    );
    expect([status, error]).toEqual(['FAILED', 'MergeRefused']);
    expect(jobs.filter(({ JobName }) => JobName === 'himplos-merge')).toHaveLength(1);
    expect(jobs.some(({ JobName }) => JobName === 'himplos-promote')).toBe(false);
    expect(messages.map(({ Subject }) => Subject)).toEqual(['himplos: merge refused']);
  });

  it.each([
    ['himplos-merge', 70],
    ['himplos-merge', undefined],
    ['himplos-promote', 2],
    ['himplos-promote', undefined],
  ])('reports a failure when %s ends with %s', (failing, exitCode) => {
    const { error, messages } = run((job) => (job === failing ? failedJob(exitCode) : undefined));
    expect(error).toBe('RecalibrationFailed');
    expect(messages).toHaveLength(1);
  });

  it.each(['himplos-shard', 'himplos-merge', 'himplos-promote'])(
    'waits when AWS Batch does not take %s, and reports it when it goes on',
    (job) => {
      const busy = new StateError('Batch.BatchException', 'Rate exceeded');
      const briefly = run((name, attempt) => (name === job && attempt <= 3 ? busy : undefined));
      expect(briefly.status).toBe('SUCCEEDED');
      const forever = run((name) => (name === job ? busy : undefined));
      expect(forever.error).toBe('RecalibrationFailed');
      expect(forever.messages).toHaveLength(1);
    },
  );

  it('has no state that cannot be reached', () => {
    const seen = new Set<string>();
    for (const job of ['none', 'himplos-shard', 'himplos-merge', 'himplos-promote']) {
      for (const exitCode of [1, 2, 3]) {
        for (const state of run((name) => (name === job ? failedJob(exitCode) : undefined)).states)
          seen.add(state);
      }
    }
    expect([...seen].sort()).toEqual(Object.keys(definition.States as object).sort());
  });
});
