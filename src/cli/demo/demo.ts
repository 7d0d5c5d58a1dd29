import { type Machine, thisMachine } from '../../host/machine.ts';
import type { Source } from '../../model/provider.ts';
import { LocalSource } from '../../source/local/local-source.ts';
import { packageFile } from '../package-file.ts';
import { type Choice, chooseVms, type VmKind } from './choose.ts';
import { kvmRecipes } from './kvm-vms.ts';
import { qemuRecipes } from './qemu-vms.ts';
import { ReplaySource } from './replay.ts';
import { endVms, type Recipe, startVms, VM_COUNT } from './started-vms.ts';

/** What a demo is started with. */
export interface DemoOptions {
  /** What to show; absent: the best that the machine can. */
  readonly vms?: VmKind;
  /** Ends the start early. */
  readonly signal?: AbortSignal;
  /** What there is to choose from; this machine if absent. */
  readonly machine?: Machine;
}

/** Virtual machines to look at. They end with the demo, also where this process is killed. */
export interface Demo extends AsyncDisposable {
  /** One line for people: what is shown, and why that. */
  readonly description: string;
  /** Where their statistics come from. */
  readonly sources: readonly Source[];
  /** Closes the sources and ends the VMs; resolves when no process and no file of the demo is left. Harmless when called twice. */
  close(): Promise<void>;
}

/**
 * Starts the VMs of the demo and resolves when they run; their firmware may not be through by then.
 * @throws DEMO_FAILED where what is wanted cannot be had here or a VM does not start, with what it said; CANCELLED
 */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const { vms, signal = new AbortController().signal, machine = thisMachine } = options;
  const choice = chooseVms(machine, vms);
  const recipes = recipesOf(choice);
  const started = await startVms(recipes, signal);
  const pids = started.map(({ process }) => process.pid);
  const sources = sourcesOf(choice, pids);
  const close = async (): Promise<void> => {
    await Promise.allSettled(sources.map((source) => source.close()));
    await endVms(started);
  };
  return { description: describe(choice), sources, close, [Symbol.asyncDispose]: close };
}

function recipesOf(choice: Choice): readonly Recipe[] {
  const image = packageFile('demo/guest.bin');
  if (choice.kind === 'qemu') return qemuRecipes({ program: choice.program, accel: choice.accel, image });
  return choice.kind === 'kvm' ? kvmRecipes(image) : [];
}

function sourcesOf(choice: Choice, pids: readonly number[]): readonly Source[] {
  const replay = new ReplaySource(packageFile('captures/kvm'));
  if (choice.kind === 'replay') return [replay];
  const local = new LocalSource({ pids });
  // QEMU measures nothing of a guest that it emulates: an empty table would show nobody anything.
  return choice.kind === 'qemu' && choice.accel === 'tcg' ? [local, replay] : [local];
}

function describe(choice: Choice): string {
  return `${whatIsShown(choice)} (${choice.reason})`;
}

/** Short: it has to fit into one line of a terminal, together with the reason. */
function whatIsShown(choice: Choice): string {
  if (choice.kind === 'replay') return 'a replay, no VM runs';
  if (choice.kind === 'kvm') return `${VM_COUNT} VMs of virtstat's own under KVM`;
  if (choice.accel === 'kvm') return `${VM_COUNT} QEMU VMs under KVM`;
  return `${VM_COUNT} QEMU VMs under TCG (no statistics of KVM) beside a replay`;
}
