import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startFakeS3 } from './fake-s3.ts';

/** A fake S3 in a process of its own: where time and memory of the client are measured. */
export interface FakeS3Process {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  close(): Promise<void>;
}

/** Starts one; it ends with this process at the latest. */
export async function startFakeS3Process(): Promise<FakeS3Process> {
  const child = fork(fileURLToPath(import.meta.url));
  const [message] = (await once(child, 'message')) as [Omit<FakeS3Process, 'close'>];
  const close = async () => {
    child.kill();
    await once(child, 'exit');
  };
  return { ...message, close };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { endpoint, credentials } = await startFakeS3();
  process.send!({ endpoint, credentials });
  process.once('disconnect', () => process.exit());
}
