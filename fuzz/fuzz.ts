import fc from 'fast-check';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import type { FuzzTarget } from './target.ts';

/** How long one input may keep a processor, in milliseconds: it is given to the parser several times, byte by byte too. */
const MAX_CPU_MS = 2_000;

/** Most inputs that are kept because something new came of them. */
const MAX_KEPT = 5_000;

/** Inputs that are made from an arbitrary at once. */
const BATCH = 32;

/** What a run needs from outside. */
export interface FuzzOptions {
  readonly target: FuzzTarget;
  readonly corpus: readonly Uint8Array[];
  readonly seed: number;
  /** Asked before each input, with how many there were. */
  readonly isDone: (inputs: number) => boolean;
  /** Hears of each input before it is tried. */
  readonly onInput?: (input: Uint8Array) => void;
  /** Hears of each input that something does not hold for. */
  readonly onDefect: (input: Uint8Array, error: unknown) => void | Promise<void>;
}

/** What a run came to. */
export interface FuzzSummary {
  readonly inputs: number;
  /** Different things that came out. */
  readonly outcomes: number;
  /** How long the slowest input kept a processor, in milliseconds: what grows faster than its input shows here first. */
  readonly slowestCpuMs: number;
}

/**
 * Tries the corpus, then inputs that are made: half of them from the target's arbitrary, half by changing one of the corpus or
 * one that brought something new before. What is tried depends on seed and corpus only.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzSummary> {
  const { target, corpus, seed, isDone } = options;
  const random = new Random(seed);
  const kept: Uint8Array[] = [];
  const outcomes = new Set<string>();
  let [inputs, slowestCpuMs] = [0, 0];
  const tryInput = async (input: Uint8Array): Promise<void> => {
    inputs++;
    options.onInput?.(input);
    try {
      const { text, cpuMs } = await trial(target, input, { againMs: slowestCpuMs });
      slowestCpuMs = Math.max(slowestCpuMs, cpuMs);
      if (outcomes.has(text)) return;
      outcomes.add(text);
      if (kept.length < MAX_KEPT) kept.push(input);
    } catch (error) {
      await options.onDefect(input, error);
    }
  };
  for (const input of corpus) await tryInput(input);
  let made: Uint8Array[] = [];
  while (!isDone(inputs)) {
    if (made.length === 0) made = fc.sample(target.inputs, { numRuns: BATCH, seed: random.next() | 0 });
    const fresh = made.pop() as Uint8Array;
    await tryInput(fresh);
    const sources = kept.length > 0 ? kept : [fresh];
    const other = random.pick(random.below(2) === 0 ? sources : [fresh]);
    await tryInput(mutate(random.pick(sources), { random, words: target.words, other }));
  }
  return { inputs, outcomes: outcomes.size, slowestCpuMs };
}

/** Tries one input. Throws what does not hold, and where it takes a processor longer than `maxCpuMs`, twice. */
export async function tryOnce(target: FuzzTarget, input: Uint8Array, maxCpuMs: number = MAX_CPU_MS): Promise<string> {
  return (await trial(target, input, { againMs: maxCpuMs, maxCpuMs })).text;
}

/** What came out, and how long that kept a processor. */
interface Trial {
  readonly text: string;
  readonly cpuMs: number;
}

/** Takes the shorter of two times where the first is above `againMs`: garbage, or code not yet compiled, is no defect. */
async function trial(
  target: FuzzTarget,
  input: Uint8Array,
  { againMs, maxCpuMs = MAX_CPU_MS }: { readonly againMs: number; readonly maxCpuMs?: number },
): Promise<Trial> {
  const first = await timed(target, input);
  if (first.cpuMs <= againMs) return first;
  const { text, cpuMs } = await timed(target, input);
  const shorterMs = Math.min(first.cpuMs, cpuMs);
  if (shorterMs > maxCpuMs) throw new Error(`takes ${Math.round(shorterMs)} ms, more than ${maxCpuMs}`);
  return { text, cpuMs: shorterMs };
}

async function timed(target: FuzzTarget, input: Uint8Array): Promise<Trial> {
  const before = process.threadCpuUsage();
  const text = await target.check(input);
  const { user, system } = process.threadCpuUsage(before);
  return { text, cpuMs: (user + system) / 1000 };
}

/** Most tries to make an input shorter. */
const MAX_SHRINKS = 2_000;

/** Longest time that they take, in milliseconds: where the fault is slowness each of them is slow. */
const MAX_SHRINK_MS = 60_000;

/** A shorter input with the same fault, found within a time by leaving out pieces, from halves down to single bytes. */
export async function shrink(
  target: FuzzTarget,
  input: Uint8Array,
  error: unknown,
  maxMs: number = MAX_SHRINK_MS,
): Promise<Uint8Array> {
  const [wanted, endMs] = [faultOf(error), performance.now() + maxMs];
  let [shortest, tries] = [input, 0];
  for (let size = input.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < shortest.length && tries < MAX_SHRINKS && performance.now() < endMs; ) {
      const shorter = new Uint8Array(Buffer.concat([shortest.subarray(0, at), shortest.subarray(at + size)]));
      tries++;
      if (await fails(target, shorter, wanted)) shortest = shorter;
      else at += size;
    }
  }
  return shortest;
}

async function fails(target: FuzzTarget, input: Uint8Array, wanted: string): Promise<boolean> {
  try {
    await tryOnce(target, input);
    return false;
  } catch (error) {
    return faultOf(error) === wanted;
  }
}

/** What is at fault, without what belongs to one input: two errors of one fault are one defect. */
export function faultOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  return text.split(/[:"'{[\n]/, 1)[0]?.replaceAll(/\d+/g, 'N') ?? '';
}
