import { promote, readChannel } from '../../../shared/store/channels.ts';
import type { ObjectStore } from '../../../shared/store/object-store.ts';
import { openStore } from '../../../shared/store/open-store.ts';
import type { S3Options } from '../../../shared/store/s3-client.ts';
import { writeVersion } from '../../../shared/store/versions.ts';
import { smallVersion } from './small-version.ts';

/**
 * Publishes or promotes the version `one`, and kills itself right before or after one of its store calls. Arguments:
 * what to do, the store's address, its options as JSON, detector, channel, `before` or `after`, number of the call (1 is the
 * first).
 */
const [action, address, options, detector, channel, moment, call] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];
const { manifest, bodyOf } = await smallVersion('one');
const store = dieAt(
  await openStore(address, JSON.parse(options) as S3Options),
  Number(call),
  moment === 'before',
);
if (action === 'publish') {
  await writeVersion(store, detector, manifest, bodyOf);
} else {
  const target = { detector, channel };
  const from = await readChannel(store, target);
  const note = { id: 'killed', at: '2026-01-01T00:00:00Z', by: null, reason: null, isForced: false };
  await promote(store, target, { from, version: manifest.version, note });
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
