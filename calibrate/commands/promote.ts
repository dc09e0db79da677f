import type { Io } from '../io.ts';
import { defaultGateLimits, readGateLimits } from '../versions/gate-limits.ts';
import type { GateResult } from '../versions/gates.ts';
import { promoteVersion } from '../versions/promote.ts';
import { resolveVersion } from '../versions/resolve-version.ts';
import {
  changeNote,
  type NoteOptions,
  openNamedStore,
  requireDetectorName,
  type StoreOptions,
} from './store-options.ts';

export interface PromoteOptions extends StoreOptions, NoteOptions {
  readonly channel: string;
  readonly gates?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `himplos promote`: points a channel to a version that passes the gates; exits 1 when one fails. */
export async function promote(reference: string, options: PromoteOptions, io: Io): Promise<number> {
  const limits = options.gates === undefined ? defaultGateLimits : await readGateLimits(options.gates);
  const note = changeNote(options);
  const store = await openNamedStore(options, io);
  const detector = requireDetectorName(options, io);
  const { signal } = io;
  const { channel, force = false } = options;
  const { version } = await resolveVersion(store, detector, reference, { signal });
  const request = { version, limits, force, note };
  const { gates, state, before } = await promoteVersion(store, { detector, channel }, request, { signal });
  const isPromoted = state !== undefined;
  const generation = state?.document.generation ?? null;
  if (options.json) {
    const result = { detector, channel, version, before: before ?? null, isPromoted, generation, gates };
    io.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  } else {
    io.stdout.write(gates.map(describeGate).join(''));
    const move = `${channel}: ${before?.slice(0, 12) ?? 'nothing'} → ${version.slice(0, 12)}`;
    const failed = gates.filter(({ passed }) => !passed).length;
    if (!isPromoted) io.stdout.write(`not promoted (${move}): ${failed} of ${gates.length} gates failed\n`);
    else
      io.stdout.write(
        `promoted ${move}, generation ${generation}${failed === 0 ? '' : `, in spite of ${failed} failed gates`}\n`,
      );
  }
  return isPromoted ? 0 : 1;
}

function describeGate({ gate, set, passed, finding }: GateResult): string {
  return `${passed ? 'passed' : 'FAILED'}  ${gate}${set === undefined ? '' : ` ${set}`}: ${finding}\n`;
}
