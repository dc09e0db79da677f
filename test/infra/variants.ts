import type { EnvironmentInput } from '../../infra/config/environment.ts';

/** Everything that the example leaves out. */
export const other: EnvironmentInput = {
  account: '111111111111',
  region: 'us-east-1',
  detector: 'flowers',
  channel: 'blue',
  artifacts: 'destroy',
  functions: {
    embeddings: {
      memoryMegabytes: 512,
      timeoutSeconds: 8,
      provisionedConcurrency: 2,
      access: { type: 'function-url' },
    },
  },
  alarms: { email: 'ops@example.com', oodSharePercent: 12 },
  recalibration: {
    schedule: 'rate(1 day)',
    shards: 16,
    compute: { type: 'gpu', instanceClass: 'g5', cpus: 4, memoryGibibytes: 14, maxInstanceCpus: 64 },
    calibrate: ['--model', 'model.onnx', '--train', 'train.tar', '--calibration', 'calibration.tar'],
    merge: ['--model', 'model.onnx'],
    gates: { maxAccuracyDrop: 0.02 },
  },
};

/** The functions that the example leaves out. */
export const filesAndImages: EnvironmentInput['functions'] = {
  images: {
    memoryMegabytes: 3008,
    timeoutSeconds: 29,
    references: true,
    access: {
      type: 'http-api',
      authorization: { type: 'jwt', issuer: 'https://id.example.com', audience: ['himplos'] },
      requestsPerSecond: 10,
      burst: 20,
    },
  },
  bulk: { memoryMegabytes: 1024, timeoutSeconds: 600, reservedConcurrency: 4 },
};
