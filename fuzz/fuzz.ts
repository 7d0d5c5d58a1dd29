import fc from 'fast-check';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import type { FuzzTarget } from './target.ts';

/** How long one input may keep a processor, in milliseconds: it is given to the parser several times, byte by byte too. */
export const MAX_CPU_MS = 2_000;

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
  let inputs = 0;
  const tryInput = async (input: Uint8Array): Promise<void> => {
    inputs++;
    options.onInput?.(input);
    try {
      const outcome = await tryOnce(target, input);
      if (outcomes.has(outcome)) return;
      outcomes.add(outcome);
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
  return { inputs, outcomes: outcomes.size };
}

/** Tries one input. Throws what does not hold, and where it takes too long. */
export async function tryOnce(target: FuzzTarget, input: Uint8Array): Promise<string> {
  const outcome = await timed(target, input);
  if (outcome.cpuMs <= MAX_CPU_MS) return outcome.text;
  // A collection of garbage, or code that was not compiled yet, is no defect.
  const again = await timed(target, input);
  if (again.cpuMs > MAX_CPU_MS) throw new Error(`takes ${Math.round(again.cpuMs)} ms, more than ${MAX_CPU_MS}`);
  return again.text;
}

async function timed(
  target: FuzzTarget,
  input: Uint8Array,
): Promise<{ readonly text: string; readonly cpuMs: number }> {
  const before = process.threadCpuUsage();
  const text = await target.check(input);
  const { user, system } = process.threadCpuUsage(before);
  return { text, cpuMs: (user + system) / 1000 };
}

/** Most tries to make an input shorter. */
const MAX_SHRINKS = 2_000;

/** A shorter input with the same fault, found by leaving out pieces, from halves down to single bytes. */
export async function shrink(target: FuzzTarget, input: Uint8Array, error: unknown): Promise<Uint8Array> {
  const wanted = faultOf(error);
  let [shortest, tries] = [input, 0];
  for (let size = input.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < shortest.length && tries < MAX_SHRINKS; ) {
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
