import { describe, expect, it } from 'vitest';
import { encodePath, signGet } from '../../functions/runtime/sign-request.ts';

describe('signatures', () => {
  it('are those of the AWS SDK for the same request', async () => {
    const { SignatureV4 } = await import('@smithy/signature-v4');
    const { createHash, createHmac } = await import('node:crypto');
    class Sha256 {
      readonly #hash;
      constructor(secret?: string | Uint8Array) {
        this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
      }
      update(data: string | Uint8Array): void {
        this.#hash.update(data);
      }
      async digest(): Promise<Uint8Array> {
        return this.#hash.digest();
      }
      reset(): void {}
    }
    const now = new Date('2026-11-24T01:02:03.456Z');
    for (const credentials of [
      { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
      { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'x', sessionToken: 'token/with+signs==' },
    ]) {
      const host = 'bucket.s3.eu-west-1.amazonaws.com';
      const path = `/${encodePath("detectors/größe (1)!'*/a b+c.json")}`;
      const signer = new SignatureV4({
        service: 's3',
        region: 'eu-west-1',
        credentials,
        sha256: Sha256 as never,
        uriEscapePath: false,
        applyChecksum: true,
      });
      const signed = await signer.sign(
        { method: 'GET', protocol: 'https:', hostname: host, path, headers: { host }, query: {} } as never,
        { signingDate: now },
      );
      const ours = signGet({ host, path, region: 'eu-west-1' }, credentials, now);
      expect(ours.authorization).toBe(signed.headers.authorization);
    }
  });
});
