/** What stands where in the artifact bucket. Policies, lifecycle and commands all take their prefixes from here. */
export interface BucketLayout {
  /** Root of the store; a detector's versions and channels are below `<store>/<detector>/`. */
  readonly store: string;
  readonly detector: string;
  /** Model and data that recalibration reads, put there by their owner. */
  readonly input: string;
  /** Partials of recalibration; kept for two weeks. */
  readonly work: string;
}

/** Only below it does the images function take references. */
export const IMAGES = 'images/';
/** Only below it does bulk read; an object that appears there starts it. */
export const INBOX = 'inbox/';
/** Only below it does bulk write. */
export const SCORES = 'scores/';

const STORE = 'store';
export const WORK = 'work/';
const INPUT = 'input/';

/** Prefixes of a detector; all but `store` end in a slash. */
export function layoutOf(detector: string): BucketLayout {
  return {
    store: STORE,
    detector: `${STORE}/${detector}/`,
    input: `${INPUT}${detector}/`,
    work: `${WORK}${detector}/`,
  };
}
