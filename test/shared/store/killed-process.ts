import { promote, readChannel } from '../../../shared/store/channels.ts';
import { openFileStore } from '../../../shared/store/file-store.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { writeVersion } from '../../../shared/store/versions.ts';
import { smallVersion } from './small-version.ts';

/**
 * Publishes or promotes the version `one`, and kills itself right before or after one of its store calls. Arguments:
 * what to do, folder, detector, `before` or `after`, number of the call (1 is the first).
 */
const [action, folder, detector, moment, call] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const { manifest, bodyOf } = await smallVersion('one');
const store = dieAt(openFileStore(folder), Number(call), moment === 'before');
if (action === 'publish') {
  await writeVersion(store, detector, manifest, bodyOf);
} else {
  const address = { detector, channel: 'production' };
  const from = await readChannel(store, address);
  const note = { id: 'killed', at: '2026-01-01T00:00:00Z', by: null, reason: null, isForced: false };
  await promote(store, address, { from, version: manifest.version, note });
}

function dieAt(inner: ObjectStore, fatalCall: number, isBefore: boolean): ObjectStore {
  let calls = 0;
  const die = () => process.kill(process.pid, 'SIGKILL');
  return new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const isFatal = ++calls === fatalCall;
        if (isFatal && isBefore) die();
        try {
          return (await Reflect.apply(value, target, args)) as unknown;
        } finally {
          if (isFatal) die();
        }
      };
    },
  });
}
