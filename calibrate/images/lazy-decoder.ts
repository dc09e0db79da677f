import { HimplosError } from '../../shared/errors.ts';

/** A decoder that is loaded when it is first asked for. */
export interface LazyDecoder<T> {
  /** Throws `unavailable` when it cannot be loaded, and tries again the next time. */
  open(): Promise<T>;
  /** The next one that is asked for is a new one. */
  forget(): void;
}

/** @param name of the package, for messages */
export function lazyDecoder<T>(name: string, load: () => Promise<T>): LazyDecoder<T> {
  let loading: Promise<T> | undefined;
  return {
    async open() {
      loading ??= load();
      try {
        return await loading;
      } catch (cause) {
        loading = undefined;
        const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
        throw new HimplosError(
          'unavailable',
          `images cannot be decoded, ${name} cannot be loaded: ${reason}`,
          {
            hint: 'install the packages for this system: npm install',
            cause,
          },
        );
      }
    },
    forget() {
      loading = undefined;
    },
  };
}
