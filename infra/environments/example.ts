import type { EnvironmentInput } from '../config/environment.ts';

/** Copy it, give the copy a name, and deploy with HIMPLOS_ENVIRONMENT=that-name. */
export const environment: EnvironmentInput = {
  region: 'eu-central-1',
  detector: 'example',
  functions: {
    embeddings: {
      memoryMegabytes: 1769, // one whole CPU
      timeoutSeconds: 10,
      reservedConcurrency: 50,
      access: { type: 'http-api', authorization: { type: 'iam' }, requestsPerSecond: 100, burst: 200 },
    },
  },
  recalibration: {
    schedule: 'cron(0 3 ? * SUN *)',
    timeZone: 'Europe/Berlin',
    isEnabled: false, // until the model and the data are in the bucket
    shards: 4,
    compute: { type: 'fargate', cpus: 4, memoryGibibytes: 16, diskGibibytes: 50 },
    calibrate: [
      ...['--model', 'model.onnx', '--train', '{input}/train.tar'],
      // Gates compare versions on the evaluation rows: without them nothing is promoted.
      ...['--calibration', '{input}/calibration.tar', '--evaluation', '{input}/evaluation.tar'],
      ...['--ood', 'textures={input}/textures.tar'],
    ],
    merge: ['--model', 'model.onnx'],
  },
};
