import { readFileSync } from 'node:fs';
import { PROC_ROOT } from './processes.ts';

/** How long the mounts are taken to be what they were, in milliseconds; a busy container host has thousands. */
const MAX_AGE_MS = 60_000;

/** Longest list of mounts that is read, in bytes. */
const MAX_SIZE_BYTES = 16 << 20;

const known = new Map<string, { readonly atMs: number; readonly text: string }>();

/** The mounts that this process sees, `/proc/self/mountinfo`, at most a minute old; empty where they cannot be read. */
export function mountinfo(procRoot: string = PROC_ROOT): string {
  const before = known.get(procRoot);
  if (before !== undefined && performance.now() - before.atMs < MAX_AGE_MS) return before.text;
  const text = readMounts(procRoot);
  known.set(procRoot, { atMs: performance.now(), text });
  return text;
}

function readMounts(procRoot: string): string {
  try {
    return readFileSync(`${procRoot}/self/mountinfo`, 'utf8').slice(0, MAX_SIZE_BYTES);
  } catch {
    return '';
  }
}
