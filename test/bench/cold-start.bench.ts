/**
 * From the start of a process to the first answer, with the built function and a 16.6 MB artifact on loopback S3, by a
 * server in a process of its own; and the same by a Python process with numpy and boto3, where those can be imported.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { signGet } from '../../functions/runtime/sign-request.ts';
import { unpackEmbeddings } from '../functions/built-function.ts';
import { functionUrlEvent } from '../functions/events.ts';
import { environmentOf, makeDetector, publish, storeOf } from '../functions/published.ts';
import { startFakeS3Process } from '../servers/fake-s3-process.ts';
import { report, timeInTurn } from './measure.ts';

const [CLASSES, WIDTH, ROUNDS] = [1000, 2048, 15];

const python = process.env.HIMPLOS_PYTHON ?? '/usr/bin/python3';
const hasPeer = spawnSync(python, ['-c', 'import numpy, boto3']).status === 0;
const unpacked = await unpackEmbeddings();
const s3 = await startFakeS3Process();
const made = await makeDetector(CLASSES, WIDTH);
const version = await publish(storeOf(s3), made);
const artifactKey = `detectors/birds/versions/${version}/detector.safetensors`;
const event = functionUrlEvent(
  'POST',
  '/v1/score',
  JSON.stringify({ features: [...made.features.subarray(0, WIDTH)] }),
);
console.log(`artifact: ${(made.bytes.length / 1e6).toFixed(1)} MB`);

const stages = new Map<string, number[]>();
const timings = await timeInTurn(
  {
    'embeddings function': async () => {
      const start = performance.now();
      const host = await unpacked.start(environmentOf(s3));
      const { functionError } = await host.invoke(event);
      const elapsed = performance.now() - start;
      if (functionError !== undefined) throw new Error(functionError);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const metrics = JSON.parse(host.logs().trim().split('\n').at(-1)!);
      for (const [name, value] of Object.entries(metrics)) {
        if (name.startsWith('Latency')) stages.set(name, [...(stages.get(name) ?? []), Number(value)]);
      }
      await host.stop();
      return elapsed;
    },
    'the artifact read and dropped, S3 server and loopback alone': () => readAndDrop(),
    'node alone': async () => {
      const start = performance.now();
      await once(spawn(process.execPath, ['-e', '0']), 'exit');
      return performance.now() - start;
    },
    ...(hasPeer && { 'Python, numpy and boto3': () => startPython() }),
  },
  ROUNDS,
);
report('process start to first answer', timings);
if (!hasPeer)
  console.log(`  Python: skipped, ${python} cannot import numpy and boto3 (HIMPLOS_PYTHON names another)`);
console.log('  in the first request:');
for (const [name, values] of stages) {
  console.log(`    ${name}: ${values.sort((a, b) => a - b)[values.length >> 1]!.toFixed(1)} ms`);
}
await s3.close();
unpacked.remove();

/** What of the time is the server's: a warm client takes the bytes and does nothing with them. */
async function readAndDrop(): Promise<number> {
  const { host, hostname, port } = new URL(s3.endpoint);
  const path = `/bucket/${artifactKey}`;
  const headers = signGet({ host, path, region: 'us-east-1' }, s3.credentials, new Date());
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const start = performance.now();
  let left = made.bytes.length;
  await new Promise<void>((resolve) => {
    const socket = net.connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer: new Uint8Array(256 * 1024),
        callback: (bytes) => {
          left -= bytes;
          if (left <= 0) resolve();
          return true;
        },
      },
    });
    socket.write(`GET ${path} HTTP/1.1\r\nconnection: close\r\n${lines.join('')}\r\n`);
  });
  return performance.now() - start;
}

async function startPython(): Promise<number> {
  const script = fileURLToPath(new URL('./cold-start-peer.py', import.meta.url));
  const start = performance.now();
  const child = spawn(python, [script, s3.endpoint, 'bucket', artifactKey], {
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
      AWS_REGION: 'us-east-1',
      OPENBLAS_NUM_THREADS: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const elapsed = performance.now() - start;
  await once(child, 'exit');
  return elapsed;
}
