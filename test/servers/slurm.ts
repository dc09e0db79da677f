import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, hostname, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sbatch', 'sinfo', 'squeue'];
const PATH = `${process.env.PATH ?? ''}${delimiter}/usr/sbin`;

const missing = PROGRAMS.filter(
  (program) => !PATH.split(delimiter).some((folder) => existsSync(join(folder, program))),
);
const isRoot = process.getuid?.() === 0;

/** Whether Slurm is installed (on Debian `apt install slurm-wlm munge`) and may be started: its daemons want root. */
export const hasSlurm = isRoot && missing.length === 0;

/** What a test needs of it, for titles, and what of that is not there. */
export const needsSlurm = [
  'needs slurm-wlm and munge of Debian, and root',
  ...(missing.length > 0 ? [`there is no ${missing.join(', ')}`] : []),
  ...(isRoot ? [] : ['this is not root']),
].join('; ');

/** A Slurm cluster of one machine. */
export interface Slurm {
  /**
   * Submits a job and resolves to its number.
   * @param command what a shell runs
   * @param options of sbatch, such as `--array=0-3`
   */
  submit(
    command: string,
    options: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<string>;
  /** Resolves, once no job is left in the queue, to everything the jobs have written, by file. */
  finished(): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

/** Starts munge and Slurm on free ports of the loopback interface; everything lives in a temporary folder. */
export async function startSlurm(): Promise<Slurm> {
  const folder = await mkdtemp(join(tmpdir(), 'himplos-slurm-'));
  const at = (name: string) => join(folder, name);
  for (const name of ['state', 'spool', 'output']) await mkdir(at(name));
  const daemons: ChildProcess[] = [];
  const killAll = () => daemons.forEach((daemon) => void daemon.kill('SIGKILL'));
  process.once('exit', killAll);
  const environment = { ...process.env, PATH, SLURM_CONF: at('slurm.conf') };
  const start = (program: string, ...options: string[]) =>
    daemons.push(spawn(program, options, { env: environment, stdio: 'ignore' }));
  const run = async (
    program: string,
    options: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) =>
    (await promisify(execFile)(program, options, { env: { ...environment, ...env }, timeout: 60_000 }))
      .stdout;
  const close = async () => {
    process.off('exit', killAll);
    killAll();
    await delay(200);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await writeFile(at('munge.key'), crypto.getRandomValues(new Uint8Array(1024)), { mode: 0o400 });
    start(
      'munged',
      ...['--foreground', '--force', `--socket=${at('munge.socket')}`, `--key-file=${at('munge.key')}`],
      ...[
        `--pid-file=${at('munge.pid')}`,
        `--log-file=${at('munge.log')}`,
        `--seed-file=${at('munge.seed')}`,
      ],
    );
    await waitFor(async () => existsSync(at('munge.socket')));
    await writeFile(at('slurm.conf'), configuration(folder, await freePort(), await freePort()));
    start('slurmctld', '-D');
    start('slurmd', '-D');
    await waitFor(async () => (await run('sinfo', ['--noheader', '--format=%t'])).trim() === 'idle');
  } catch (error) {
    await close();
    throw error;
  }
  return {
    submit: async (command, options, env) => {
      const output = `--output=${at('output')}/%x-%A-%a.txt`;
      const stdout = await run('sbatch', ['--parsable', output, ...options, `--wrap=${command}`], env);
      return stdout.trim();
    },
    finished: async () => {
      await waitFor(async () => (await run('squeue', ['--noheader'])).trim() === '', 600);
      const files: Record<string, string> = {};
      for (const name of await readdir(at('output'))) {
        files[name] = await readFile(join(at('output'), name), 'utf8');
      }
      return files;
    },
    close,
  };
}

function configuration(folder: string, controllerPort: number, nodePort: number): string {
  const host = hostname().split('.')[0];
  return `ClusterName=himplos
SlurmctldHost=${host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
MpiDefault=none
KillOnBadExit=0
SlurmctldPort=${controllerPort}
SlurmdPort=${nodePort}
SchedulerParameters=bf_interval=1,sched_interval=1
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} State=UNKNOWN
PartitionName=main Nodes=${host} Default=YES MaxTime=INFINITE State=UP
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

async function waitFor(isReady: () => Promise<boolean>, seconds = 30): Promise<void> {
  for (let left = seconds * 5; ; left--) {
    try {
      if (await isReady()) return;
    } catch (error) {
      if (left === 0) throw error;
    }
    if (left === 0) throw new Error(`Slurm was not ready within ${seconds} s`);
    await delay(200);
  }
}
