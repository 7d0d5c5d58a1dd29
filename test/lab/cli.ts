import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parse } from 'lossless-json';

const BIN = fileURLToPath(new URL('../../bin/virtstat.cjs', import.meta.url));
const LIMIT_MS = 30_000;

/** What a run of the built program left behind. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built program to its end; it is killed after 30 s. */
export function virtstat(...args: readonly string[]): Promise<Run> {
  return virtstatUnder([], ...args);
}

/** As {@link virtstat}, started by a command that stands before it: `setpriv`, `sh`. */
export function virtstatUnder(launcher: readonly string[], ...args: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const [program, ...words] = [...launcher, process.execPath, BIN, ...args] as [string, ...string[]];
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
    const run = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => (run[stream] += text));
    }
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, ...run }));
  });
}

/** The document that the program prints with `--json`, its integers as bigint. Rejects where it does not exit 0. */
export async function virtstatJson(...args: readonly string[]): Promise<unknown> {
  const { status, stdout, stderr } = await virtstat(...args, '--json');
  if (status !== 0) throw new Error(`virtstat ${args.join(' ')} exited with ${status}: ${stderr}`);
  return parse(stdout, null, (text) => (/^-?\d+$/.test(text) ? BigInt(text) : Number(text)));
}
