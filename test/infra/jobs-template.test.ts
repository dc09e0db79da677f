import { beforeAll, describe, expect, it } from 'vitest';
import { allowed, only, roleOf, statementsOf } from './policies.ts';
import { synthesizeVariants } from './syntheses.ts';
import { ofType, type Synthesis } from './synthesize-environment.ts';

describe('what calibrates anew', () => {
  let first: Synthesis;
  let second: Synthesis;
  beforeAll(async () => {
    ({ first, second } = await synthesizeVariants());
  });

  it('lets no job write what is served but promotion, and no job delete anything', () => {
    const writes = (part: string) =>
      allowed(statementsOf(first, roleOf(first, `RecalibrationJobs${part}Role`)), 's3:PutObject').map((arn) =>
        arn.replace(/^<\w+\.Arn>\//, ''),
      );
    expect(writes('Shard')).toEqual(['work/example/*']);
    expect(writes('Merge')).toEqual([
      'store/example/channels/candidate.json',
      'store/example/pins/*',
      'store/example/versions/*',
    ]);
    expect(writes('Promote')).toEqual(['store/example/channels/production.json', 'store/example/pins/*']);
    expect(first.text).not.toContain('s3:Delete');
  });

  it('runs jobs that nothing outside can reach, without administrator or privileges', () => {
    for (const synthesis of [first, second]) {
      for (const [, { Properties }] of ofType(synthesis, 'AWS::EC2::SecurityGroup')) {
        expect(Properties.SecurityGroupIngress).toBeUndefined();
        expect(Properties.SecurityGroupEgress).toEqual([
          expect.objectContaining({ FromPort: 443, ToPort: 443, IpProtocol: 'tcp' }),
        ]);
      }
      const jobs = ofType(synthesis, 'AWS::Batch::JobDefinition');
      expect(jobs).toHaveLength(3);
      for (const [, { Properties }] of jobs) {
        expect(Properties.ContainerProperties.Privileged).toBeFalsy();
        const exits = Properties.RetryStrategy.EvaluateOnExit as readonly Record<string, string>[];
        expect(exits.filter(({ Action }) => Action === 'EXIT').map(({ OnExitCode }) => OnExitCode)).toEqual([
          '1',
          '2',
          '3',
          '70',
        ]);
        expect(exits.at(-1)).toEqual({ Action: 'RETRY', OnReason: '*' });
      }
    }
  });

  it('calibrates on Fargate or on GPUs, as configured', () => {
    const shardJob = (synthesis: Synthesis) =>
      ofType(synthesis, 'AWS::Batch::JobDefinition').find(([id]) => id.includes('Shard'))![1].Properties;
    expect(shardJob(first).PlatformCapabilities).toEqual(['FARGATE']);
    expect(shardJob(second).PlatformCapabilities).toEqual(['EC2']);
    expect(shardJob(second).ContainerProperties.ResourceRequirements).toContainEqual({
      Type: 'GPU',
      Value: '1',
    });
    const machines = only(second, 'AWS::EC2::LaunchTemplate').LaunchTemplateData;
    expect(machines.MetadataOptions).toMatchObject({ HttpTokens: 'required', HttpPutResponseHopLimit: 1 });
    expect(machines.BlockDeviceMappings[0].Ebs.Encrypted).toBe(true);
  });

  it('starts on schedule, and only the state machine', () => {
    const { ScheduleExpression, ScheduleExpressionTimezone, State } = only(first, 'AWS::Scheduler::Schedule');
    expect([ScheduleExpression, ScheduleExpressionTimezone, State]).toEqual([
      'cron(0 3 ? * SUN *)',
      'Europe/Berlin',
      'DISABLED',
    ]);
    expect(only(second, 'AWS::Scheduler::Schedule').State).toBe('ENABLED');
    const role = ofType(first, 'AWS::IAM::Role').find(([, { Properties }]) =>
      JSON.stringify(Properties.AssumeRolePolicyDocument).includes('scheduler.amazonaws.com'),
    )![0];
    expect(allowed(statementsOf(first, role), 'states:StartExecution')).toEqual([
      expect.stringMatching(/^<RecalibrationStateMachine\w+>$/),
    ]);
  });
});
