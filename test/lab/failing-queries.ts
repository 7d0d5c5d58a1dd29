/**
 * Asks failing sources hundreds of times through the library and prints what that left behind: a process of its own, since
 * it counts descriptors and memory.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { open, type SampleAnswer } from '../../src/index.ts';
import { DEFAULT_COMMAND_TIMEOUT_MS } from '../../src/source/qemu/monitor.ts';

const [rounds, ...uris] = process.argv.slice(2);

/** So short that silent peers cost little. */
const DEADLINE_MS = 20;

function countFds(): number {
  return readdirSync('/proc/self/fd').length;
}

function heapBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const codes: Record<string, number> = {};

function note(answers: readonly SampleAnswer[]): void {
  for (const { errors } of answers) for (const { code } of errors) codes[code] = (codes[code] ?? 0) + 1;
}

const kept = await open(uris, { deadlineMs: DEADLINE_MS });

/** One registry that stays, and one of its own for each round. */
async function round(): Promise<void> {
  note(await kept.query({ target: 'vm' }));
  const registry = await open(uris, { deadlineMs: DEADLINE_MS });
  note(await registry.query({ target: 'vm' }));
  await registry.close();
}

for (let count = 0; count < 30; count++) await round();
const before = { fds: countFds(), heapBytes: heapBytes() };
for (let count = 0; count < Number(rounds); count++) await round();
// What a monitor that never answers was asked is given up at the monitor's own limit, whoever has stopped to wait for it.
await sleep(DEFAULT_COMMAND_TIMEOUT_MS + 1000);
const after = { fds: countFds(), heapBytes: heapBytes() };
await kept.close();
process.stdout.write(JSON.stringify({ before, after, codes }));
