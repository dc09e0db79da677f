import { compileKernel } from '../../shared/kernel/kernel-module.ts';
import { readConfiguration } from '../runtime/configuration.ts';
import { DetectorCache } from '../runtime/detector-cache.ts';
import { openReader } from '../runtime/open-reader.ts';

export const configuration = readConfiguration(process.env);

/** The detector. Its download begins here, before the rest of the function is loaded (see handler.ts). */
export const cache = new DetectorCache({
  ...configuration,
  openStore: () => openReader(configuration),
  kernel: compileKernel(),
});
cache.start();
