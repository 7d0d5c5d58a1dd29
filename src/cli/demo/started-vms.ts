import { withDeadline } from '../../host/deadline.ts';
import { type Guardable, type GuardedProcess, startGuarded } from '../../host/guarded-process.ts';
import { cancellation, VirtstatError } from '../../model/errors.ts';

/** How many VMs the demo starts. */
export const VM_COUNT = 2;

/** vCPUs of each. */
export const VCPUS_PER_VM = 2;

/** How long a VM may take until it answers, in milliseconds: long enough for a machine that is busy with other things. */
const START_LIMIT_MS = 15_000;

/** Begins the name of every folder that the demo makes. */
const FOLDER_PREFIX = 'virtstat-demo-';

/** A VM's process, and the name of the VM. */
export interface StartedVm {
  readonly name: string;
  readonly process: GuardedProcess;
}

/** How to start one VM and how to know that it runs. */
export interface Recipe extends Omit<Guardable, 'prefix'> {
  readonly name: string;
  /** Resolves when the VM answers. */
  whenReady(process: GuardedProcess, signal: AbortSignal): Promise<void>;
}

/**
 * Starts VMs at the same time. Resolves when all answer; where one does not, none is left.
 * @throws DEMO_FAILED, with what the VM's process said last
 */
export async function startVms(recipes: readonly Recipe[], signal: AbortSignal): Promise<readonly StartedVm[]> {
  const outcomes = await Promise.allSettled(recipes.map((recipe) => startVm(recipe, signal)));
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure === undefined) return started;
  await endVms(started);
  throw failure.reason;
}

/** Ends VMs; resolves when nothing of them is left. */
export async function endVms(vms: readonly StartedVm[]): Promise<void> {
  await Promise.all(vms.map(({ process }) => process.close()));
}

async function startVm(recipe: Recipe, signal: AbortSignal): Promise<StartedVm> {
  const { name } = recipe;
  const process = await startGuarded({ ...recipe, prefix: FOLDER_PREFIX });
  const waiting = new AbortController();
  try {
    const limit = { signal: AbortSignal.any([signal, waiting.signal]), timeoutMs: START_LIMIT_MS, what: name };
    await withDeadline((until) => Promise.race([recipe.whenReady(process, until), untimelyEnd(process)]), limit);
    return { name, process };
  } catch (error) {
    waiting.abort();
    await process.close();
    throw signal.aborted ? cancellation(signal, name) : failure(name, error, process.lastWords);
  }
}

async function untimelyEnd(process: GuardedProcess): Promise<never> {
  await process.ended;
  throw new VirtstatError('DEMO_FAILED', 'its process ended while it started');
}

/** Programs warn before they fail: the last line says what it was. */
function failure(name: string, error: unknown, lastWords: string): VirtstatError {
  const reason = error instanceof Error ? error.message : String(error);
  const said = lastWords.split('\n').at(-1) || 'nothing';
  return new VirtstatError('DEMO_FAILED', `${name}: ${reason}; it said: ${said}; --vms replay needs no VM`, {
    cause: error,
  });
}
