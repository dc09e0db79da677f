import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** The browser's command; undefined where there is none. */
export const CHROMIUM = ['chromium', 'chromium-headless-shell', 'google-chrome'].find(
  (command) => spawnSync(command, ['--version']).status === 0,
);

/** One page of a headless browser, driven by the DevTools protocol. */
export interface Page {
  open(address: string): Promise<void>;
  /** The value of an expression in the page; promises are awaited. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true; throws after 10 s. */
  until(expression: string): Promise<void>;
  /** Chooses a file for the input that the selector finds. */
  choose(selector: string, file: string): Promise<void>;
  /** Types text where the focus is. */
  type(text: string): Promise<void>;
  /** Presses one key, such as `Tab` or `Enter`. */
  press(key: string): Promise<void>;
  resize(width: number, height: number): Promise<void>;
  /** What the page is told of the user's preference. */
  colors(scheme: 'light' | 'dark'): Promise<void>;
  screenshot(file: string): Promise<void>;
  /** The accessibility tree as `role: name` lines. */
  accessibility(): Promise<readonly string[]>;
  /** What the page wrote to its console or was refused by its policy. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, never>>;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Starts a browser with one page. */
export async function openPage(): Promise<Page> {
  const profile = mkdtempSync(join(tmpdir(), 'himplos-chromium-'));
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0'];
  const browser = spawn(CHROMIUM!, [...flags, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const endpoint = await debuggingAddress(browser);
  const targets = await (await fetch(`http://${new URL(endpoint).host}/json/list`)).json();
  const socket = new WebSocket(
    targets.find(({ type }: { type: string }) => type === 'page').webSocketDebuggerUrl,
  );
  const waiting = new Map<number, (message: Message) => void>();
  const complaints: string[] = [];
  let loaded = () => {};
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    else if (message.method === 'Page.loadEventFired') loaded();
    else if (/exceptionThrown|entryAdded|consoleAPICalled/.test(message.method!)) {
      complaints.push(JSON.stringify(message.params).slice(0, 500));
    }
  });
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  let sent = 0;
  const call = async (method: string, params: object = {}): Promise<Record<string, never>> => {
    const id = ++sent;
    const answered = new Promise<Message>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { error, result } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result as Record<string, never>;
  };
  for (const domain of ['Page', 'Runtime', 'Log', 'DOM', 'Accessibility']) await call(`${domain}.enable`);

  const page: Page = {
    complaints,
    async open(address) {
      const done = new Promise<void>((resolve) => {
        loaded = resolve;
      });
      await call('Page.navigate', { url: address });
      await done;
    },
    async evaluate(expression) {
      const { result, exceptionDetails } = await call('Runtime.evaluate', {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails).slice(0, 500));
      return (result as { value: never }).value;
    },
    async until(expression) {
      for (let i = 0; i < 500; i++) {
        if (await page.evaluate(`Boolean(${expression})`)) return;
        await delay(20);
      }
      throw new Error(`never true: ${expression}\n${await page.evaluate('document.body.innerText')}`);
    },
    async choose(selector, file) {
      // Choosing the same file again is a change, too: the page forgets the last one when it is clicked.
      await page.evaluate(`document.querySelector('${selector}').dispatchEvent(new Event('click'))`);
      const { root } = await call('DOM.getDocument');
      const { nodeId } = await call('DOM.querySelector', {
        nodeId: (root as { nodeId: number }).nodeId,
        selector,
      });
      await call('DOM.setFileInputFiles', { nodeId, files: [file] });
    },
    async type(text) {
      await call('Input.insertText', { text });
    },
    async press(key) {
      const codes: Readonly<Record<string, number>> = { Tab: 9, Enter: 13, ' ': 32 };
      const text = key === 'Enter' ? '\r' : key === ' ' ? ' ' : undefined;
      const event = { key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: codes[key], text };
      await call('Input.dispatchKeyEvent', { type: 'keyDown', ...event });
      await call('Input.dispatchKeyEvent', { type: 'keyUp', ...event, text: undefined });
    },
    async resize(width, height) {
      await call('Emulation.setDeviceMetricsOverride', {
        width,
        height,
        deviceScaleFactor: 1,
        mobile: false,
      });
    },
    async colors(scheme) {
      await call('Emulation.setEmulatedMedia', {
        features: [{ name: 'prefers-color-scheme', value: scheme }],
      });
    },
    async screenshot(file) {
      const { data } = await call('Page.captureScreenshot', { captureBeyondViewport: true });
      writeFileSync(file, Buffer.from(data as string, 'base64'));
    },
    async accessibility() {
      const { nodes } = await call('Accessibility.getFullAXTree');
      return (nodes as readonly { ignored: boolean; role?: { value: string }; name?: { value: string } }[])
        .filter(({ ignored }) => !ignored)
        .map(({ role, name }) => `${role?.value}: ${name?.value}`);
    },
    async close() {
      const ended = new Promise((resolve) => browser.once('exit', resolve));
      call('Browser.close').catch(() => undefined);
      const timer = setTimeout(() => browser.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
  return page;
}

async function debuggingAddress(browser: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of browser.stderr!) {
    text += String(chunk);
    const match = /DevTools listening on (ws:\S+)/.exec(text);
    if (match === null) continue;
    browser.stderr!.resume();
    return match[1]!;
  }
  throw new Error(`the browser did not start: ${text.slice(0, 1000)}`);
}
