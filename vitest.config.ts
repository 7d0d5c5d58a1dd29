import { defineConfig } from 'vitest/config';

/** Longest that one test may take, in milliseconds: the machine may be small and busy. */
const UNIT_TIMEOUT_MS = 20_000;
const LIVE_TIMEOUT_MS = 60_000;

/** Longest that a test polls for what has to become true, where it does not say so itself: a second may pass with nothing but others' work. */
const POLL_OPTIONS = { poll: { timeout: 10_000 } };

export default defineConfig({
  test: {
    reporters: ['default', './scripts/count-reporter.ts'],
    allowOnly: false,
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: ['test/lab/seed.ts'],
          include: ['src/**/*.test.{ts,tsx}', 'scripts/**/*.test.ts', 'fuzz/**/*.test.ts'],
          testTimeout: UNIT_TIMEOUT_MS,
          hookTimeout: UNIT_TIMEOUT_MS,
          expect: POLL_OPTIONS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // These start virtual machines: one file after another, apart from the others, so that they do not fight for cores.
        test: {
          name: 'live',
          setupFiles: ['test/lab/seed.ts'],
          include: ['test/**/*.test.ts'],
          exclude: ['test/fixtures/**'],
          testTimeout: LIVE_TIMEOUT_MS,
          hookTimeout: LIVE_TIMEOUT_MS,
          expect: POLL_OPTIONS,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
