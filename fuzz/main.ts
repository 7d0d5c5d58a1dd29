import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { tryOnce } from './fuzz.ts';
import { seedOf } from './random.ts';
import { TARGETS, targetOf } from './targets.ts';
import { CURRENT_HEAD_BYTES, newCurrent, type WorkerMessage, type WorkerTask } from './worker.ts';

/**
 * Gives made inputs to the parsers, one target after the other: `node fuzz/main.ts [NAME...] [--for DURATION] [--seed N]`, or
 * one input again: `node fuzz/main.ts NAME --input FILE`. Exit status 1 where something did not hold, 2 for wrong usage.
 */
const USAGE = `usage: npm run fuzz -- [NAME...] [--for DURATION] [--seed N] [--input FILE]
  NAME    ${TARGETS.map(({ name }) => name).join(', ')}; all if absent
  --for   how long each target runs: 30s, 5m, 1h; 30s if absent
  --seed  the same seed tries the same inputs; a new one if absent
  --input tries nothing but this file, with one NAME`;

/** Where inputs are put that something does not hold for. */
const FOUND = fileURLToPath(new URL('found', import.meta.url));

/** Longest that one input may take before it is taken for one that never ends, in milliseconds. */
const HANG_MS = 30_000;
const WATCH_MS = 1_000;

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

class UsageError extends Error {}

function durationMs(text: string): number {
  const [, number, unit = ''] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  if (number === undefined) throw new UsageError(`${JSON.stringify(text)} is no duration like 30s, 5m or 1h`);
  return Number(number) * (UNITS_MS[unit] as number);
}

function seedFrom(text: string | undefined): number {
  if (text === undefined) return crypto.getRandomValues(new Uint32Array(1))[0] as number;
  if (!/^\d{1,10}$/.test(text)) throw new UsageError(`${JSON.stringify(text)} is no seed: a whole number`);
  return Number(text);
}

async function main(args: readonly string[]): Promise<boolean> {
  const options = { for: { type: 'string' }, seed: { type: 'string' }, input: { type: 'string' } } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const unknown = positionals.filter((name) => !TARGETS.some((target) => target.name === name));
  if (unknown.length > 0) throw new UsageError(`there is no target ${unknown.join(', ')}`);
  if (values.input !== undefined) {
    if (positionals.length !== 1) throw new UsageError('--input needs one target');
    return again(positionals[0] as string, values.input);
  }
  const [seed, forMs] = [seedFrom(values.seed), durationMs(values.for ?? '30s')];
  console.log(`seed ${seed}`);
  let passed = true;
  for (const { name } of TARGETS) {
    if (positionals.length === 0 || positionals.includes(name)) passed = (await runTarget(name, seed, forMs)) && passed;
  }
  return passed;
}

async function again(name: string, file: string): Promise<boolean> {
  const input = new Uint8Array(readFileSync(file));
  try {
    console.log(`${name}: ${input.length} bytes are as they should be: ${await tryOnce(targetOf(name), input)}`);
    return true;
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.stack : error}`);
    return false;
  }
}

/** In a thread of its own, so that an input that never ends can be told. */
function runTarget(name: string, seed: number, forMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const task: WorkerTask = { target: name, seed, forMs, current: newCurrent() };
    const numbers = new Int32Array(task.current, 0, 2);
    const startMs = performance.now();
    const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: task });
    let [defects, isDone, seen, sinceMs] = [0, false, -1, startMs];
    const current = (): Uint8Array =>
      new Uint8Array(task.current, CURRENT_HEAD_BYTES, Atomics.load(numbers, 1)).slice();
    const found = (input: Uint8Array, error: string): void => {
      defects++;
      tell(name, input, error);
    };
    const watch = setInterval(() => {
      const number = Atomics.load(numbers, 0);
      if (number !== seen) [seen, sinceMs] = [number, performance.now()];
      else if (performance.now() - sinceMs > HANG_MS) {
        found(current(), `no end within ${HANG_MS / 1000} s`);
        isDone = true;
        void worker.terminate();
      }
    }, WATCH_MS);
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'defect') return found(message.input, message.error);
      isDone = true;
      const seconds = (performance.now() - startMs) / 1000;
      const rate = Math.round(message.inputs / seconds);
      const slowest = `slowest ${Math.ceil(message.slowestCpuMs)} ms`;
      const what = `${message.inputs} inputs in ${seconds.toFixed(0)} s, ${rate}/s, ${slowest}, ${message.outcomes} outcomes`;
      console.log(`${name}: ${what}, ${defects} ${defects === 1 ? 'defect' : 'defects'}`);
    });
    worker.on('error', (error) => {
      isDone = true;
      found(current(), `what nobody catches: ${error instanceof Error ? error.stack : error}`);
    });
    worker.on('exit', () => {
      clearInterval(watch);
      if (!isDone) found(current(), 'waits for something that never comes');
      resolve(defects === 0);
    });
  });
}

/** Keeps the input and says how to try it again. */
function tell(name: string, input: Uint8Array, error: string): void {
  mkdirSync(FOUND, { recursive: true });
  const file = join(FOUND, `${name}-${seedOf(input).toString(16).padStart(8, '0')}`);
  writeFileSync(file, input);
  console.error(`${name}: ${error}\n  again: npm run fuzz -- ${name} --input ${relative(process.cwd(), file)}`);
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    String(error instanceof Error && 'code' in error && error.code).startsWith('ERR_PARSE_ARGS');
  if (!isUsage) throw error;
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exitCode = 2;
}
