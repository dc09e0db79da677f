/** List prices in US dollars, us-east-1, as remembered in November 2026: assumptions to be checked before they matter. */
const PRICES = {
  lambdaArmGigabyteSecond: 0.0000133334,
  lambdaX86GigabyteSecond: 0.0000166667,
  lambdaRequest: 0.2e-6,
  lambdaProvisionedGigabyteSecond: 0.0000033334,
  httpApiRequest: 1e-6,
  fargateCpuHour: 0.04048,
  fargateGigabyteHour: 0.004445,
  /** What Spot costs of the list price. */
  spotShare: 0.3,
  g5XlargeHour: 1.006,
  s3GigabyteMonth: 0.023,
  publicAddressHour: 0.005,
  kmsKeyMonth: 1,
  alarmMonth: 0.1,
  metricMonth: 0.3,
  dashboardMonth: 3,
};

/**
 * Measured on two idle cores: `npm run bench -- request` (2048 × 1000, p50 of a whole request), and processor time of
 * MobileNetV2 and of decoding a photograph of 224 × 224; on two busy ones a ResNet-18 session on two threads.
 */
const MEASURED = { jsonMs: 0.61, base64Ms: 0.51, mobileNetMs: 10.7, decodeMs: 1.6, imageMsOnTwoThreads: 8.5 };

/** Not measured: taken so that the table can be computed. */
const ASSUMED = {
  /** One CPU of Lambda, and 1.7 of them for images. */
  memoryGigabytes: 1769 / 1024,
  imagesMemoryGigabytes: 3008 / 1024,
  images: 1_281_167,
  /** A CPU of Fargate is a hyperthread, half of a core. */
  cpusPerThread: 2,
  startMinutes: 3,
  gpuImagesPerSecond: 1500,
  mergeMinutes: 5,
  alarms: 11,
  metrics: 24,
  storedGigabytes: 5,
};

/** The table of README.md, in Markdown: what a request, a night and a month of standing still cost. */
export function costTable(): string {
  const { memoryGigabytes, imagesMemoryGigabytes } = ASSUMED;
  // Lambda bills whole milliseconds.
  const million = (ms: number, gigabyteSecond: number, perRequest: number) =>
    1e6 * ((Math.ceil(ms) / 1000) * gigabyteSecond + PRICES.lambdaRequest + perRequest);
  const arm = memoryGigabytes * PRICES.lambdaArmGigabyteSecond;
  const x86 = imagesMemoryGigabytes * PRICES.lambdaX86GigabyteSecond;
  const { jsonMs, base64Ms, mobileNetMs, decodeMs } = MEASURED;
  const imageMs = mobileNetMs + decodeMs;
  const keptWarm = 730 * 3600 * memoryGigabytes * PRICES.lambdaProvisionedGigabyteSecond;
  const standing =
    2 * PRICES.kmsKeyMonth +
    ASSUMED.alarms * PRICES.alarmMonth +
    ASSUMED.metrics * PRICES.metricMonth +
    PRICES.dashboardMonth +
    ASSUMED.storedGigabytes * PRICES.s3GigabyteMonth;
  const rows: readonly (readonly [string, string, number])[] = [
    ['a million requests, base64, Function URL', billed(base64Ms), million(base64Ms, arm, 0)],
    ['a million requests, JSON, Function URL', billed(jsonMs), million(jsonMs, arm, 0)],
    ['a million requests, JSON, HTTP API', billed(jsonMs), million(jsonMs, arm, PRICES.httpApiRequest)],
    [
      'a million images, one a request, HTTP API',
      billed(imageMs),
      million(imageMs, x86, PRICES.httpApiRequest),
    ],
    ['one container kept warm, a month', '730 h', keptWarm],
    ...[4, 16].map((shards) => fargateNight(shards)),
    gpuNight(4),
    ['everything standing still, a month', 'keys, alarms, metrics, dashboard, 5 GB', standing],
  ];
  const lines = rows.map(([what, how, dollars]) => `| ${what} | ${how} | ${dollars.toFixed(2)} |`);
  return ['| what | of which | US$ |', '| --- | --- | ---: |', ...lines].join('\n');
}

function billed(ms: number): string {
  return `${Math.ceil(ms)} ms each`;
}

/** 1.28 million images on Fargate Spot, shards of 4 CPUs and 16 GB, and the merge. */
function fargateNight(shards: number): readonly [string, string, number] {
  const cpus = 4;
  const cpuHours = (ASSUMED.images * MEASURED.imageMsOnTwoThreads * 2 * ASSUMED.cpusPerThread) / 1000 / 3600;
  const hours = cpuHours / (cpus * shards) + ASSUMED.startMinutes / 60;
  const machine = cpus * PRICES.fargateCpuHour + 16 * PRICES.fargateGigabyteHour;
  const total =
    shards * hours * (machine * PRICES.spotShare + PRICES.publicAddressHour) +
    (2 * (ASSUMED.mergeMinutes + ASSUMED.startMinutes) * machine) / 60;
  return [`a night, ${shards} shards on Fargate Spot`, `${hours.toFixed(1)} h`, total];
}

/** The same on g5.xlarge Spot. */
function gpuNight(shards: number): readonly [string, string, number] {
  const hours = ASSUMED.images / ASSUMED.gpuImagesPerSecond / 3600 / shards + (2 * ASSUMED.startMinutes) / 60;
  const merge = 4 * PRICES.fargateCpuHour + 16 * PRICES.fargateGigabyteHour;
  const total =
    shards * hours * (PRICES.g5XlargeHour * PRICES.spotShare + PRICES.publicAddressHour) +
    (2 * (ASSUMED.mergeMinutes + ASSUMED.startMinutes) * merge) / 60;
  return [`a night, ${shards} shards on g5.xlarge Spot`, `${hours.toFixed(1)} h`, total];
}

if (import.meta.main) process.stdout.write(`${costTable()}\n`);
