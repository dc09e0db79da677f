import { S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { encodePath, signGet } from '../../functions/runtime/sign-request.ts';

describe('signatures', () => {
  it.each([
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'x', sessionToken: 'token/with+signs==' },
  ])('are those of the AWS SDK for the same request ($accessKeyId)', async (credentials) => {
    const host = 'bucket.s3.eu-west-1.amazonaws.com';
    const path = `/${encodePath("detectors/größe (1)!'*/a b+c.json")}`;
    const client = new S3Client({ region: 'eu-west-1', credentials });
    const signer = await client.config.signer();
    const headers: Record<string, string> = { host };
    const request = { method: 'GET', protocol: 'https:', hostname: host, path, headers, query: {} };
    const signingDate = new Date('2026-11-24T01:02:03.456Z');
    const signed = await signer.sign(request as never, { signingDate });
    const ours = signGet({ host, path, region: 'eu-west-1' }, credentials, signingDate);
    expect(ours.authorization).toBe((signed as unknown as typeof request).headers.authorization);
  });
});
