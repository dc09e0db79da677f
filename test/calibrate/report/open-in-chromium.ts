import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { newFolder } from '../run-command.ts';

const candidates = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const browser = candidates.find((path) => existsSync(path));

export const hasChromium = browser !== undefined;

/** Why a test without a browser is skipped, for titles. */
export const needsChromium = 'needs chromium (apt-get install chromium)';

/** What a page did in a browser. */
export interface PageVisit {
  /** Addresses asked for, besides the page's own. */
  readonly requests: readonly string[];
  /** Errors and warnings on the console, violations of the content policy among them. */
  readonly complaints: readonly string[];
  /** Value of each expression in the page. */
  readonly values: readonly unknown[];
}

/** Opens a page in headless Chromium, over its debugging protocol, and evaluates expressions in it. */
export async function openInChromium(
  url: string,
  {
    width,
    dark,
    expressions,
  }: { readonly width: number; readonly dark: boolean; readonly expressions: readonly string[] },
): Promise<PageVisit> {
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--remote-debugging-port=0',
  ];
  const child = spawn(browser!, [...flags, `--user-data-dir=${newFolder()}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  try {
    const session = await openSession(await debuggerAddress(child));
    const requests: string[] = [];
    const complaints: string[] = [];
    session.onEvent = (method, params) => {
      if (method === 'Network.requestWillBeSent') requests.push((params.request as { url: string }).url);
      if (method === 'Log.entryAdded') complaints.push((params.entry as { text: string }).text);
      if (method === 'Runtime.exceptionThrown' || method === 'Runtime.consoleAPICalled')
        complaints.push(JSON.stringify(params));
    };
    for (const domain of ['Network', 'Log', 'Runtime', 'Page']) await session.send(`${domain}.enable`, {});
    await session.send('Emulation.setDeviceMetricsOverride', {
      width,
      height: 900,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
    await session.send('Emulation.setEmulatedMedia', { features });
    const loaded = session.waitFor('Page.loadEventFired');
    await session.send('Page.navigate', { url });
    await loaded;
    const values: unknown[] = [];
    for (const expression of expressions) {
      const { result } = (await session.send('Runtime.evaluate', { expression, returnByValue: true })) as {
        result: { value: unknown };
      };
      values.push(result.value);
    }
    session.close();
    return {
      requests: requests.filter((address) => address !== url && !address.startsWith('data:')),
      complaints,
      values,
    };
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
}

async function debuggerAddress(child: ChildProcess): Promise<string> {
  let said = '';
  for await (const chunk of child.stderr!) {
    said += chunk;
    const address = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error(`chromium did not start:\n${said}`);
}

type Params = Readonly<Record<string, unknown>>;

interface Session {
  onEvent: (method: string, params: Params) => void;
  send(method: string, params: Params): Promise<unknown>;
  waitFor(method: string): Promise<void>;
  close(): void;
}

/** A new, empty tab. */
async function openSession(address: string): Promise<Session> {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error(`cannot connect to ${address}`)));
  });
  const pending = new Map<number, (answer: { result?: unknown; error?: { message: string } }) => void>();
  const waiting = new Map<string, () => void>();
  let next = 1;
  let sessionId: string | undefined;
  const session: Session = {
    onEvent: () => {},
    send: (method, params) =>
      new Promise((resolve, reject) => {
        pending.set(next, ({ result, error }) =>
          error === undefined ? resolve(result) : reject(new Error(`${method}: ${error.message}`)),
        );
        socket.send(JSON.stringify({ id: next++, method, params, ...(sessionId && { sessionId }) }));
      }),
    waitFor: (method) => new Promise((resolve) => waiting.set(method, resolve)),
    close: () => socket.close(),
  };
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data));
    if (message.id !== undefined) {
      pending.get(message.id)?.(message);
      pending.delete(message.id);
      return;
    }
    session.onEvent(message.method, message.params);
    waiting.get(message.method)?.();
  });
  const { targetId } = (await session.send('Target.createTarget', { url: 'about:blank' })) as {
    targetId: string;
  };
  const attached = await session.send('Target.attachToTarget', { targetId, flatten: true });
  sessionId = (attached as { sessionId: string }).sessionId;
  return session;
}
