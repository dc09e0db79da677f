/** A state machine in the Amazon States Language; `${Name}` stands for what the stack fills in. */
export interface Definition {
  readonly Comment: string;
  readonly StartAt: string;
  readonly TimeoutSeconds: number;
  readonly States: Readonly<Record<string, State>>;
}

export type State = Readonly<Record<string, unknown>> & { readonly Type: string };

export interface DefinitionOptions {
  /** Children of each array job. */
  readonly shards: number;
  readonly phases: number;
  /** Below it every run keeps its partials: `s3://bucket/prefix`, without a slash at the end. */
  readonly work: string;
  readonly timeoutHours: number;
  /** `aws`, or another partition's name. */
  readonly partition: string;
}

/** Exit statuses of a job: see infra/container/job.ts. */
const GATE_FAILED = 1;
const REFUSED = 2;
const UNCHANGED = 3;

/** AWS Batch itself had trouble; a job that failed is States.TaskFailed. */
const BATCH_TROUBLE = ['Batch.BatchException', 'Batch.ServerException'];
const PATIENTLY = {
  ErrorEquals: BATCH_TROUBLE,
  IntervalSeconds: 10,
  MaxAttempts: 5,
  BackoffRate: 2,
  JitterStrategy: 'FULL',
};

/**
 * An array of shards for each phase, then merge and publish, then gates and promotion. Every way it ends but
 * "Unchanged" is told to the topic. A failed gate is a decision, not a failure: the execution succeeds.
 */
export function pipelineDefinition(options: DefinitionOptions): Definition {
  const { shards, phases, work, timeoutHours, partition } = options;
  const run = { partition, partials: `States.Format('${work}/{}', $$.Execution.Name)` };
  const phase = (number: number): [string, State] => [
    phaseName(number),
    batchTask('Shard', run, {
      ArrayProperties: { Size: shards },
      // Batch has retried each shard; what is left may be a bad hour. Shards that are done cost no second time.
      Retry: [PATIENTLY, { ErrorEquals: ['States.TaskFailed'], IntervalSeconds: 300, MaxAttempts: 1 }],
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'Report a failure' }],
      Next: number < phases ? phaseName(number + 1) : 'Merge',
    }),
  ];
  return {
    Comment: 'himplos: calibrates anew, and promotes what passes the gates',
    StartAt: phaseName(1),
    TimeoutSeconds: timeoutHours * 3600,
    States: {
      ...Object.fromEntries(Array.from({ length: phases }, (_, i) => phase(i + 1))),
      Merge: batchTask('Merge', run, {
        Retry: [PATIENTLY],
        Catch: caughtBy('Read why merge failed'),
        Next: 'Promote',
      }),
      'Read why merge failed': readExit('Why did merge fail?'),
      'Why did merge fail?': {
        Type: 'Choice',
        Choices: [{ ...exitedWith(REFUSED), Next: 'Report a refused merge' }],
        Default: 'Report a failure',
      },
      Promote: batchTask('Promote', run, {
        Retry: [PATIENTLY],
        Catch: caughtBy('Read why nothing was promoted'),
        Next: 'Report the promotion',
      }),
      'Read why nothing was promoted': readExit('Why was nothing promoted?'),
      'Why was nothing promoted?': {
        Type: 'Choice',
        Choices: [
          { ...exitedWith(GATE_FAILED), Next: 'Report failed gates' },
          { ...exitedWith(UNCHANGED), Next: 'Unchanged' },
        ],
        Default: 'Report a failure',
      },
      'Report the promotion': report(
        partition,
        'promoted',
        `A new version of ${filled('Detector')} has passed its gates and is served by the channel ${filled('Channel')}.`,
        'Promoted',
      ),
      'Report failed gates': report(
        partition,
        'not promoted',
        `A new version of ${filled('Detector')} has failed a gate: ${filled('Channel')} is as it was. The version is in the channel candidate; the log of the job says which gate.`,
        'Not promoted',
      ),
      'Report a refused merge': report(
        partition,
        'merge refused',
        `The partials of ${filled('Detector')} do not belong together, or some are missing: nothing was published. The log of the job names the shard.`,
        'Merge refused',
      ),
      'Report a failure': report(
        partition,
        'recalibration failed',
        `Recalibration of ${filled('Detector')} failed; ${filled('Channel')} is as it was.`,
        'Failed',
      ),
      Promoted: { Type: 'Succeed' },
      'Not promoted': { Type: 'Succeed' },
      Unchanged: { Type: 'Succeed', Comment: 'The same input gave the version that is served already.' },
      'Merge refused': { Type: 'Fail', Error: 'MergeRefused', Cause: 'see the log of the merge job' },
      Failed: { Type: 'Fail', Error: 'RecalibrationFailed', Cause: 'see the logs of the jobs' },
    },
  };
}

function phaseName(number: number): string {
  return `Phase ${number}`;
}

/** Names that the state machine's resource fills in: queues and definitions of the jobs, and what texts speak of. */
function filled(name: string): string {
  return `\${${name}}`;
}

/** Runs a job and waits for it. */
function batchTask(
  kind: 'Shard' | 'Merge' | 'Promote',
  { partition, partials }: { readonly partition: string; readonly partials: string },
  {
    ArrayProperties,
    ...flow
  }: { readonly ArrayProperties?: { readonly Size: number } } & Omit<State, 'Type'>,
): State {
  return {
    Type: 'Task',
    Resource: `arn:${partition}:states:::batch:submitJob.sync`,
    Parameters: {
      JobName: `himplos-${kind.toLowerCase()}`,
      JobQueue: filled(`${kind}Queue`),
      JobDefinition: filled(`${kind}Job`),
      ...(ArrayProperties !== undefined && { ArrayProperties }),
      ContainerOverrides: {
        Environment: [
          { Name: 'HIMPLOS_PARTIALS', 'Value.$': partials },
          { Name: 'HIMPLOS_RUN', 'Value.$': '$$.Execution.Name' },
        ],
      },
    },
    ResultPath: null,
    ...flow,
  };
}

/** A job that ran and failed describes itself in the error's cause; nothing else does. */
function caughtBy(next: string) {
  return [
    {
      ErrorEquals: [...BATCH_TROUBLE, 'Batch.ClientException', 'States.Timeout', 'States.Permissions'],
      ResultPath: '$.failure',
      Next: 'Report a failure',
    },
    { ErrorEquals: ['States.TaskFailed'], ResultPath: '$.failure', Next: next },
    { ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'Report a failure' },
  ];
}

function readExit(next: string): State {
  return {
    Type: 'Pass',
    Parameters: { 'job.$': 'States.StringToJson($.failure.Cause)' },
    ResultPath: '$.failed',
    Next: next,
  };
}

/** A job whose machine went away has no exit status. */
function exitedWith(status: number) {
  const variable = '$.failed.job.Container.ExitCode';
  return {
    And: [
      { Variable: variable, IsPresent: true },
      { Variable: variable, NumericEquals: status },
    ],
  };
}

function report(partition: string, subject: string, text: string, next: string): State {
  return {
    Type: 'Task',
    Resource: `arn:${partition}:states:::sns:publish`,
    Parameters: {
      TopicArn: filled('Topic'),
      Subject: `himplos: ${subject}`,
      'Message.$': `States.Format('${text} Execution: {}', $$.Execution.Id)`,
    },
    ResultPath: null,
    Retry: [{ ErrorEquals: ['States.ALL'], IntervalSeconds: 5, MaxAttempts: 3, BackoffRate: 2 }],
    Next: next,
  };
}
