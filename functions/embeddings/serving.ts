import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { DetectorCache } from '../runtime/detector-cache.ts';
import { configuration, store } from './store.ts';

/** The detector, which begins to load at once. */
export const cache = new DetectorCache({
  ...configuration,
  openStore: () => store,
  kernel: compileKernel(),
});
cache.start();
