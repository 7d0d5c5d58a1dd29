import { BOOLEAN, COUNT, describeStat } from '../../../model/describe.ts';
import type { StatDescriptor } from '../../../model/stat.ts';
import { VIR_DOMAIN_STATS_VCPU, VIR_DOMAIN_STATS_VM } from '../../../protocol/libvirt/constants.ts';
import { KVM_SUFFIXES } from '../../../protocol/libvirt/stats-keys.ts';
import type { TypedParameter } from '../../../protocol/libvirt/typed-parameter.ts';
import { type Fields, numberOf } from '../stats-record.ts';
import { always, type DescribedValue, type KernelStats, type KeyTable } from './key-table.ts';

const NOTHING = 'libvirt passes on no statistics of KVM: it does from 8.9 on, of a VM with KVM and QEMU from 7.1 on';

/** `exits.sum`: the kernel's name, which may itself have any character, and the type. */
const CUSTOM = /^(.+)\.([a-z]+)$/s;

const TYPES: ReadonlyMap<string, string> = new Map([...KVM_SUFFIXES].map(([type, suffix]) => [suffix, type]));

/**
 * The provider `kvm`, from keys whose end tells the type: `vcpu.N.NAME.sum`, `vm.NAME.cur`. The unit comes from the kernel of
 * this host, where somebody has asked it and it has a stat of this name and type; libvirt does not pass it on.
 */
export const KVM_KEYS: KeyTable = {
  provider: 'kvm',
  targets: {
    vm: {
      groups: always(VIR_DOMAIN_STATS_VM),
      needsMonitor: true,
      nothing: NOTHING,
      read: (record, kernel) => {
        const values = describedValues(record.group('vm'), known('vm', kernel));
        return values.length === 0 ? [] : [{ values }];
      },
      order: (names, kernel) => orderOf(names, kernel('vm')),
    },
    vcpu: {
      groups: always(VIR_DOMAIN_STATS_VCPU),
      needsMonitor: true,
      nothing: NOTHING,
      read: (record, kernel) => {
        const stats = known('vcpu', kernel);
        return [...record.objects('vcpu')].flatMap(([index, fields]) => {
          const values = describedValues(fields, stats);
          return values.length === 0 ? [] : [{ path: vcpuPath(index), values }];
        });
      },
      order: (names, kernel) => orderOf(names, kernel('vcpu')),
    },
  },
};

/** How a vCPU is called whose QOM path nobody told: by QEMU's number. */
export function vcpuPath(index: number): string {
  return `cpu-${index}`;
}

function known(target: string, kernel: KernelStats): ReadonlyMap<string, StatDescriptor> {
  return new Map(kernel(target)?.map((stat) => [stat.name, stat]));
}

function describedValues(fields: Fields, kernel: ReadonlyMap<string, StatDescriptor>): readonly DescribedValue[] {
  return [...fields].flatMap(([key, param]): readonly DescribedValue[] => {
    const [, name = '', suffix = ''] = CUSTOM.exec(key) ?? [];
    const type = TYPES.get(suffix);
    const value = plainValue(param);
    if (type === undefined || value === undefined) return [];
    const told = kernel.get(name);
    if (told?.type === type && (told.unit === 'boolean') === (typeof value === 'boolean')) {
      return [{ stat: told, value }];
    }
    return [{ stat: describeStat(name, type, typeof value === 'boolean' ? BOOLEAN : COUNT), value }];
  });
}

function plainValue(param: TypedParameter): bigint | boolean | undefined {
  return param.type === 'boolean' ? param.value : numberOf(param);
}

/** libvirt's order is that of a hash table: the kernel's, where it is known, else that of the alphabet. */
function orderOf(names: readonly string[], kernel: readonly StatDescriptor[] = []): ReadonlyMap<string, number> {
  const places = new Map(kernel.map(({ name }, index) => [name, index]));
  const place = (name: string): number => places.get(name) ?? kernel.length;
  const sorted = [...names].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  return new Map(sorted.map((name, index) => [name, index]));
}
