// @ts-check
// `npm start`: installs npm packages and builds where that is needed, then runs `virtstat demo`. Works on any Node.js
// that can run npm: virtstat itself runs on the one that npm brought.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buildWhereStale } from './steps/build.js';
import { endWith } from './steps/main.js';
import { installNpmPackages } from './steps/npm.js';
import { nodeBinary, ROOT } from './steps/project.js';
import { signalNumber } from './steps/run.js';

/** How often we look whether the process that started us is still there, in milliseconds. */
const PARENT_CHECK_MS = 1_000;
/** How long the demo may take to clean up after a signal, in milliseconds. */
const CLEAN_UP_LIMIT_MS = 20_000;
/** A terminal sends its interrupt to the child too; only one that did not react by then gets ours, in milliseconds. */
const TERMINAL_GRACE_MS = 3_000;

await endWith(async () => {
  await installNpmPackages();
  await buildWhereStale();
  return demo(process.argv.slice(2));
});

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} the demo's exit status
 */
function demo(args) {
  return new Promise((resolve, reject) => {
    // The channel closes with this process, however it ends: that is how the demo learns of a SIGKILL.
    const child = spawn(nodeBinary(), [join(ROOT, 'bin/virtstat.cjs'), 'demo', ...args], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, VIRTSTAT_PARENT_IPC: '1' },
    });
    const end = (/** @type {NodeJS.Signals} */ signal) => {
      child.kill(signal);
      setTimeout(() => child.kill('SIGKILL'), CLEAN_UP_LIMIT_MS).unref();
    };
    process.on('SIGTERM', end);
    process.on('SIGHUP', end);
    process.on('SIGINT', (signal) => {
      if (process.stdin.isTTY) setTimeout(end, TERMINAL_GRACE_MS, signal).unref();
      else end(signal);
    });
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(watch);
      end('SIGTERM');
    }, PARENT_CHECK_MS);
    watch.unref();
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
  });
}
