// @ts-check
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { modifiedMs, ROOT } from './project.js';
import { run, StepError, say } from './run.js';

const INSTALL_LIMIT_MS = 300_000;
/** Without a network npm would retry for minutes. */
const RETRIES = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/** Installs the npm packages of package-lock.json, unless those in node_modules are as new. */
export async function installNpmPackages() {
  if (modifiedMs(join(ROOT, 'node_modules/.package-lock.json')) >= modifiedMs(join(ROOT, 'package-lock.json'))) return;
  say('installing npm packages into node_modules (once; about a minute)');
  // Nothing that virtstat needs is compiled or fetched by an install script, so none runs.
  const { status, timedOut, output } = await npm(
    ['ci', '--no-audit', '--no-fund', '--ignore-scripts', ...RETRIES],
    INSTALL_LIMIT_MS,
  );
  if (status === 0) return;
  if (timedOut) throw new StepError(`npm ci did not end within ${INSTALL_LIMIT_MS / 1000} s; is the network slow?`);
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ECONNRESET/.test(output)) {
    throw new StepError(
      `npm ci cannot reach the package registry; connect to the network, or check npm's registry and proxy settings: ${npmComplaint(output)}`,
    );
  }
  throw new StepError(
    `npm ci failed with status ${status}; run it by hand to see all it says: ${npmComplaint(output)}`,
  );
}

/**
 * The line of npm's output that says what is wrong: the first of its errors that is a sentence.
 * @param {string} output
 */
export function npmComplaint(output) {
  const errors = output.split('\n').flatMap((line) => /^npm (?:error|ERR!) (\S.*)$/.exec(line)?.[1] ?? []);
  return (
    errors.find((line) => !/^(code|syscall|errno|path|dest) /.test(line)) ?? errors[0] ?? output.trim().slice(-200)
  );
}

/**
 * Runs npm, the one that runs us where there is one.
 * @param {readonly string[]} args
 * @param {number} timeoutMs
 * @param {string} [cwd]
 */
export function npm(args, timeoutMs, cwd = ROOT) {
  const cli = process.env['npm_execpath'];
  const [command, first] =
    cli?.endsWith('.js') && existsSync(cli) ? [machineNode(), [cli]] : ['npm', /** @type {string[]} */ ([])];
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.startsWith(ROOT));
  return run(command, [...first, ...args], {
    what: `npm ${args[0]}`,
    timeoutMs,
    quiet: true,
    cwd,
    env: { PATH: path.join(delimiter), INIT_CWD: undefined },
  });
}

/** npm must not run on the Node.js in node_modules, which it may be about to replace. */
function machineNode() {
  const node = process.env['npm_node_execpath'];
  return node !== undefined && !node.startsWith(ROOT) && existsSync(node) ? node : process.execPath;
}
