import type { OfferedProvider } from '../../model/provider.ts';
import { BALLOON_KEYS } from './keys/balloon.ts';
import { BLOCK_KEYS } from './keys/block.ts';
import { INTERFACE_KEYS } from './keys/interface.ts';
import { IOTHREAD_KEYS } from './keys/iothread.ts';
import type { KernelStats, KeyTable } from './keys/key-table.ts';
import { KVM_KEYS } from './keys/kvm.ts';
import { PROCESS_KEYS } from './keys/process.ts';
import { STATE_KEYS } from './keys/state.ts';
import { type AskLibvirt, LibvirtProvider } from './libvirt-provider.ts';

/** All that libvirt's keys are turned back into. */
const TABLES: readonly KeyTable[] = [
  KVM_KEYS,
  STATE_KEYS,
  BALLOON_KEYS,
  BLOCK_KEYS,
  IOTHREAD_KEYS,
  PROCESS_KEYS,
  INTERFACE_KEYS,
];

/** Providers and targets that a domain may have, in the order of {@link libvirtProviders}. */
export const LIBVIRT_OFFERS: readonly { readonly provider: string; readonly target: string }[] = TABLES.flatMap(
  ({ provider, targets }) => Object.keys(targets).map((target) => ({ provider, target })),
);

/** The providers of a domain that libvirt runs. Nothing is asked yet. */
export function libvirtProviders(ask: AskLibvirt, kernel: KernelStats): readonly OfferedProvider[] {
  return TABLES.map((table) => new LibvirtProvider(table, ask, kernel));
}
