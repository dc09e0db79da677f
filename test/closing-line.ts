import type { Reporter } from 'vitest/node';

/** One line that says it all, after everything else: `tests: 3 passed, 0 failed, 1 skipped`. */
export const closingLine: Reporter = {
  onTestRunEnd(modules) {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state]++;
      if (module.errors().length > 0) counts.failed++;
    }
    const { passed, failed, skipped } = counts;
    console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  },
};
