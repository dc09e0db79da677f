import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const PROGRAMS = ['radosgw', 'radosgw-admin', 'ceph', 'ceph-mon', 'ceph-osd', 'ceph-authtool', 'monmaptool'];

/** Whether Ceph is installed: on Debian `apt install radosgw ceph-mon ceph-osd ceph-common`. */
export const hasRadosGateway = PROGRAMS.every((program) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program))),
);

/** Why a test without it is skipped, for titles. */
export const needsRadosGateway = 'needs radosgw, ceph-mon, ceph-osd and ceph-common of Debian';

export interface RadosGateway {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  close(): Promise<void>;
}

/**
 * Starts a Ceph cluster of one monitor, one object store in memory (1 GiB) and one RADOS Gateway, a real S3 server, on
 * free ports of the loopback interface. Takes some 10 s; everything lives in a temporary folder.
 */
export async function startRadosGateway(): Promise<RadosGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'himplos-ceph-'));
  const [monitorPort, gatewayPort] = [await freePort(), await freePort()];
  const daemons: ChildProcess[] = [];
  const killAll = () => daemons.forEach((daemon) => void daemon.kill('SIGKILL'));
  process.once('exit', killAll);
  const close = async () => {
    process.off('exit', killAll);
    killAll();
    await rm(folder, { recursive: true, force: true });
  };
  const at = (name: string) => join(folder, name);
  const environment = { ...process.env, CEPH_CONF: at('ceph.conf') };
  const run = async (program: string, ...options: string[]) =>
    (await promisify(execFile)(program, options, { env: environment, timeout: 60_000 })).stdout;
  const start = (program: string, ...options: string[]) =>
    daemons.push(spawn(program, ['-f', ...options], { env: environment, stdio: 'ignore' }));
  try {
    const clusterId = randomUUID();
    for (const name of ['mon', 'osd', 'rgw']) await mkdir(at(name));
    await writeFile(at('ceph.conf'), configuration(folder, clusterId, monitorPort, gatewayPort));
    const address = `[v2:127.0.0.1:${monitorPort}]`;
    await run('monmaptool', '--create', '--fsid', clusterId, '--addv', 'a', address, at('monmap'));
    await run(
      'ceph-authtool',
      '--create-keyring',
      at('keyring'),
      '--gen-key',
      '-n',
      'mon.',
      '--cap',
      'mon',
      'allow *',
    );
    const everything = ['mon', 'osd', 'mgr'].flatMap((service) => ['--cap', service, 'allow *']);
    await run('ceph-authtool', at('keyring'), '--gen-key', '-n', 'client.admin', ...everything);
    await run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', at('monmap'), '--keyring', at('keyring'));
    start('ceph-mon', '-i', 'a');

    const storeId = randomUUID();
    const secret = (await run('ceph-authtool', '--gen-print-key')).trim();
    await writeFile(at('osd.json'), JSON.stringify({ cephx_secret: secret }));
    await run('ceph', 'osd', 'new', storeId, '-i', at('osd.json'));
    const keyring = at('osd/keyring');
    await run('ceph-authtool', '--create-keyring', keyring, '-n', 'osd.0', '--add-key', secret);
    await run('ceph-osd', '-i', '0', '--keyring', keyring, '--mkfs', '--osd-uuid', storeId);
    start('ceph-osd', '-i', '0', '--keyring', keyring);

    start('radosgw', '-n', 'client.admin');
    const credentials = { accessKeyId: 'himplos', secretAccessKey: randomUUID() };
    const keys = ['--access-key', credentials.accessKeyId, '--secret-key', credentials.secretAccessKey];
    await run('radosgw-admin', 'user', 'create', '--uid', 'himplos', '--display-name', 'himplos', ...keys);
    const endpoint = `http://127.0.0.1:${gatewayPort}`;
    await waitFor(endpoint);
    return { endpoint, credentials, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function configuration(folder: string, clusterId: string, monitorPort: number, gatewayPort: number): string {
  return `[global]
fsid = ${clusterId}
mon host = v2:127.0.0.1:${monitorPort}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon data avail crit = 1
mon max pg per osd = 2000
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 1073741824
mon data = ${folder}/mon
osd data = ${folder}/osd
log file = ${folder}/$name.log
mon cluster log file = /dev/null
run dir = ${folder}
admin socket = ${folder}/$name.asok
pid file = ${folder}/$name.pid
keyring = ${folder}/keyring
[client]
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw data = ${folder}/rgw
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function waitFor(endpoint: string): Promise<void> {
  for (let left = 300; ; left--) {
    try {
      await (await fetch(endpoint)).arrayBuffer();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await delay(200);
    }
  }
}
