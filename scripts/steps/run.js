// @ts-check
import { spawn } from 'node:child_process';

/** How often a step that runs on says so, in milliseconds. */
const HEARTBEAT_MS = 20_000;
/** From the polite signal to the other one, in milliseconds. */
const KILL_AFTER_MS = 5_000;
/** How much of a quiet command's output is kept, in characters. */
const OUTPUT_LIMIT = 4_000_000;

/** A step that did not do what it was run for. The message is one line for people. */
export class StepError extends Error {}

/**
 * One line about progress, on stderr.
 * @param {string} text
 */
export function say(text) {
  process.stderr.write(`virtstat: ${text}\n`);
}

/**
 * @typedef {object} RunOptions
 * @property {string} what what runs, as the subject of a sentence: `npm ci`
 * @property {number} timeoutMs the limit, in milliseconds; at it the command and all it started are ended
 * @property {boolean} [quiet] keep the output instead of showing it
 * @property {string} [cwd]
 * @property {Record<string, string | undefined>} [env] added to the environment; undefined takes a variable away
 *
 * @typedef {object} RunResult
 * @property {number} status exit status; 128 + N for signal N, 127 where the command does not exist
 * @property {boolean} timedOut
 * @property {string} output what a quiet command wrote, both streams in order
 */

/**
 * Runs a command in a process group of its own, to its end or its limit. Never rejects. A signal that ends this process
 * is passed on first.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} options
 * @returns {Promise<RunResult>}
 */
export function run(command, args, { what, timeoutMs, quiet = false, cwd, env = {} }) {
  return new Promise((resolve) => {
    const startedMs = Date.now();
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    });
    let output = '';
    let timedOut = false;
    const keep = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString()).slice(-OUTPUT_LIMIT);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const end = () => {
      killGroup(child.pid, 'SIGTERM');
      setTimeout(killGroup, KILL_AFTER_MS, child.pid, 'SIGKILL').unref();
    };
    const limit = setTimeout(() => {
      timedOut = true;
      end();
    }, timeoutMs);
    const heartbeat = setInterval(() => {
      if (!quiet) return;
      say(`${what} is still running (${Math.round((Date.now() - startedMs) / 1000)} s)`);
    }, HEARTBEAT_MS);
    const release = onDeadlySignals(end);
    const finish = (/** @type {number} */ status) => {
      clearTimeout(limit);
      clearInterval(heartbeat);
      release();
      resolve({ status, timedOut, output });
    };
    child.on('error', (error) => {
      output += `${error.message}\n`;
      if (child.pid === undefined) finish(127);
    });
    child.on('close', (code, signal) => finish(code ?? 128 + signalNumber(signal)));
  });
}

/**
 * Like {@link run}, but what does not end with status 0 is an error.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} options
 * @returns {Promise<string>} the output of a quiet command
 */
export async function mustRun(command, args, options) {
  const { status, timedOut, output } = await run(command, args, options);
  if (status === 0 && !timedOut) return output;
  const why = timedOut ? `did not end within ${options.timeoutMs / 1000} s` : `failed with status ${status}`;
  const said = lastTelling(output);
  throw new StepError(`${options.what} ${why}${said === '' ? '' : `: ${said}`}`);
}

/**
 * The line of a failed command's output that tells most: the last one that looks like an error, else the last one.
 * @param {string} output
 */
export function lastTelling(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !line.includes('complete log of this run'));
  return (lines.findLast((line) => /^(E:|npm error|npm ERR!)|\berror\b/i.test(line)) ?? lines.at(-1) ?? '').trim();
}

/**
 * @param {number | undefined} pid
 * @param {NodeJS.Signals} signal
 */
function killGroup(pid, signal) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

/**
 * Calls `end` when this process is told to end, and then ends it with the status that stands for the signal.
 * @param {() => void} end
 */
function onDeadlySignals(end) {
  /** @type {readonly NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const onSignal = (/** @type {NodeJS.Signals} */ signal) => {
    end();
    setTimeout(() => process.exit(128 + signalNumber(signal)), 500);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/**
 * @param {NodeJS.Signals | null} signal
 */
export function signalNumber(signal) {
  return { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[String(signal)] ?? 1;
}
