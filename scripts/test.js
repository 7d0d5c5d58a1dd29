// @ts-check
// `npm test`: installs what the tests need, as far as it may, runs them all and ends with their count alone on a line.
// Arguments go to vitest: `npm test -- src/model`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLinuxGuest } from '../test/lab/linux-guest.js';
import { makeNewerQemu } from '../test/lab/newer-qemu.js';
import { makeNewerVictoriaMetrics } from '../test/lab/newer-victoria-metrics.js';
import { buildWhereStale } from './steps/build.js';
import { installDebianPackages, missingPackages } from './steps/debian.js';
import { installNpmPackages } from './steps/npm.js';
import { nodeBinary, ROOT } from './steps/project.js';
import { run, StepError, say } from './steps/run.js';

const TESTS_LIMIT_MS = 1_500_000;

try {
  await installNpmPackages();
  await prepareMachine();
  await buildWhereStale();
  process.exitCode = await runTests(process.argv.slice(2));
} catch (error) {
  say(error instanceof StepError ? error.message : String(error instanceof Error ? error.stack : error));
  process.exitCode = 1;
  console.log('0 passed, 1 failed');
}

/** Installs what the tests need of the system. What cannot be had is said here; the tests that want it skip. */
async function prepareMachine() {
  const missing = missingPackages();
  if (process.getuid?.() !== 0) {
    say('not root: tests that need root will be skipped');
    for (const [, name, neededFor] of missing) say(`not installed: ${name} (for ${neededFor}; they will be skipped)`);
    return;
  }
  await attempt(async () => {
    if (missing.length > 0) await installDebianPackages(missing.map(([, name]) => name));
  });
  await attempt(makeNewerQemu);
  await attempt(makeNewerVictoriaMetrics);
  await attempt(makeLinuxGuest);
}

/**
 * @param {() => Promise<void>} step
 */
async function attempt(step) {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say(`${error.message}; the tests that need this will be skipped`);
  }
}

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} exit status
 */
async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-test-'));
  const report = join(folder, 'count.json');
  try {
    const { status, timedOut } = await run(
      nodeBinary(),
      [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...args],
      { what: 'vitest', timeoutMs: TESTS_LIMIT_MS, cwd: ROOT, env: { VIRTSTAT_TEST_COUNT: report } },
    );
    if (timedOut) say(`the tests did not end within ${TESTS_LIMIT_MS / 1000} s`);
    const count = readCount(report);
    // A status that no counted failure explains is one more failure.
    if (status !== 0 && count.failed === 0) count.failed = 1;
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
    return count.failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} path
 * @returns {{ passed: number, failed: number, skipped: number }}
 */
function readCount(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
