import { parentPort, workerData } from 'node:worker_threads';
import { corpusOf } from './corpus.ts';
import { type FuzzSummary, faultOf, fuzz, shrink } from './fuzz.ts';
import { MAX_INPUT_BYTES } from './mutate.ts';
import { targetOf } from './targets.ts';

/** What a worker is told: which target, from which seed, for how long. */
export interface WorkerTask {
  readonly target: string;
  readonly seed: number;
  readonly forMs: number;
  /** Number of the input that is tried, its length, and the input: what the driver knows of one that never ends. */
  readonly current: SharedArrayBuffer;
}

/** What a worker tells: a defect with its input, made short; or what the run came to. */
export type WorkerMessage =
  | { readonly kind: 'defect'; readonly input: Uint8Array; readonly error: string }
  | ({ readonly kind: 'done' } & FuzzSummary);

/** Size of the numbers in front of the input in {@link WorkerTask.current}, in bytes. */
export const CURRENT_HEAD_BYTES = 8;

/** Room for the longest input of a run, and for a longer one of a corpus as far as it fits. */
export function newCurrent(): SharedArrayBuffer {
  return new SharedArrayBuffer(CURRENT_HEAD_BYTES + MAX_INPUT_BYTES);
}

async function run({ target: name, seed, forMs, current }: WorkerTask): Promise<void> {
  const tell = (message: WorkerMessage): void => parentPort?.postMessage(message);
  const numbers = new Int32Array(current, 0, 2);
  const room = new Uint8Array(current, CURRENT_HEAD_BYTES);
  const endMs = performance.now() + forMs;
  const target = targetOf(name);
  const told = new Set<string>();
  const summary = await fuzz({
    target,
    seed,
    corpus: corpusOf(name).map(({ bytes }) => bytes),
    isDone: () => performance.now() >= endMs,
    onInput: (input) => {
      room.set(input.subarray(0, room.length));
      Atomics.store(numbers, 1, Math.min(input.length, room.length));
      Atomics.add(numbers, 0, 1);
    },
    onDefect: async (input, error) => {
      const fault = faultOf(error);
      if (told.has(fault)) return;
      told.add(fault);
      // While it is made short the driver is to see that something goes on.
      const check = (each: Uint8Array): string | Promise<string> => {
        Atomics.add(numbers, 0, 1);
        return target.check(each);
      };
      const busy = { ...target, check };
      const short = await shrink(busy, input, error);
      tell({
        kind: 'defect',
        input: short,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    },
  });
  tell({ kind: 'done', ...summary });
}

if (parentPort !== null) await run(workerData as WorkerTask);
