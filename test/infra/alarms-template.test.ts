import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { only } from './policies.ts';
import { synthesizeVariants } from './syntheses.ts';
import { ofType, plain, type Synthesis } from './synthesize-environment.ts';

describe('what watches', () => {
  let first: Synthesis;
  let second: Synthesis;
  let third: Synthesis;
  beforeAll(async () => {
    ({ first, second, third } = await synthesizeVariants());
  });

  it('raises an alarm to an encrypted topic for everything that should wake somebody', () => {
    const alarms = ofType(first, 'AWS::CloudWatch::Alarm');
    const topic = `<${ofType(first, 'AWS::SNS::Topic')[0]![0]}>`;
    for (const [, { Properties }] of alarms) {
      expect(Properties.AlarmActions.map(plain)).toEqual([topic]);
      expect(Properties.TreatMissingData).toBe('notBreaching');
    }
    expect(alarms.map(([, { Properties }]) => Properties.MetricName as string).sort()).toEqual([
      'ApproximateNumberOfMessagesVisible',
      'ApproximateNumberOfMessagesVisible',
      'ArtifactAge',
      'Duration',
      'Errors',
      'ExecutionsFailed',
      'ExecutionsTimedOut',
      'Failures',
      'OodShare',
      'RefreshFailures',
      'Throttles',
    ]);
    const p99 = alarms.find(([, { Properties }]) => Properties.MetricName === 'Duration')![1].Properties;
    expect(p99.ExtendedStatistic).toBe('p99');
    // Images, and files, which take as long as they take.
    const more = ofType(third, 'AWS::CloudWatch::Alarm').map(([id, { Properties }]) => [
      id,
      Properties.MetricName,
    ]);
    for (const name of ['Images', 'Bulk']) {
      const own = more.filter(([id]) => id.startsWith(`Alarms${name}`)).map(([, metric]) => metric);
      const latency = name === 'Images' ? ['Duration'] : [];
      expect(own.sort()).toEqual(['ApproximateNumberOfMessagesVisible', ...latency, 'Errors', 'Throttles']);
    }
  });

  it('raises alarms where the configuration says, and tells who subscribed, by TLS', () => {
    const thresholdOf = (synthesis: Synthesis, metric: string) =>
      ofType(synthesis, 'AWS::CloudWatch::Alarm').find(
        ([, { Properties }]) => Properties.MetricName === metric,
      )![1].Properties.Threshold;
    expect([thresholdOf(first, 'OodShare'), thresholdOf(second, 'OodShare')]).toEqual([20, 12]);
    expect(thresholdOf(first, 'Duration')).toBe(500);
    expect(thresholdOf(first, 'ArtifactAge')).toBe(3600);
    expect(thresholdOf(first, 'RefreshFailures')).toBe(3);
    expect(thresholdOf(first, 'ApproximateNumberOfMessagesVisible')).toBe(1);
    expect(JSON.stringify(only(first, 'AWS::SNS::TopicPolicy'))).toContain('"aws:SecureTransport":"false"');
    expect(only(first, 'AWS::SNS::Topic').KmsMasterKeyId).toBeDefined();
    expect(only(second, 'AWS::SNS::Subscription')).toMatchObject({
      Protocol: 'email',
      Endpoint: 'ops@example.com',
    });
  });

  it('watches and draws metrics that functions write, by the dimensions they write', async () => {
    const files = ['telemetry.ts', 'telemetry-output.ts'].map((name) =>
      readFile(new URL(`../../functions/runtime/${name}`, import.meta.url), 'utf8'),
    );
    const source = (await Promise.all(files)).join('');
    const own = ofType(first, 'AWS::CloudWatch::Alarm').filter(
      ([, { Properties }]) => Properties.Namespace === 'himplos',
    );
    expect(own).toHaveLength(4);
    for (const [, { Properties }] of own) {
      expect(source).toContain(`'${Properties.MetricName}'`);
      expect(Properties.Dimensions).toEqual([
        { Name: 'detector', Value: 'example' },
        { Name: 'service', Value: 'himplos' },
      ]);
    }
    expect(source).toContain("serviceName: 'himplos'");
    expect(source).toContain('defaultDimensions: { detector }');
    const body = plain(only(first, 'AWS::CloudWatch::Dashboard').DashboardBody);
    for (const name of body.match(/(?<="himplos",")\w+/g) ?? []) {
      expect(source).toContain(name.replace(/^ScoreTenth\d+$/, 'ScoreTenth'));
    }
    expect(body).toContain('ScoreTenth10');
  });
});
