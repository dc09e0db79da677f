import { isKey } from '../../shared/store/keys.ts';

/** Only below it does bulk read. */
export const INBOX = 'inbox/';
/** Only below it does bulk write. */
export const SCORES = 'scores/';

/** Whether bulk may read an object of this key. Nothing that it writes is among them. */
export function isInboxKey(key: string): boolean {
  return key.startsWith(INBOX) && isKey(key);
}

/** Where the scores of an input go: a JSON document a line. */
export function scoresKey(inputKey: string, version: string): string {
  return `${SCORES}${inputKey}.${version}.jsonl`;
}

/** Where it is said what became of an input. */
export function summaryKey(inputKey: string, version: string): string {
  return `${SCORES}${inputKey}.${version}.summary.json`;
}
