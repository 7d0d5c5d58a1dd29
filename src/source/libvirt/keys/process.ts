import { NANOSECONDS } from '../../../model/describe.ts';
import {
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_CPU_TOTAL,
  VIR_DOMAIN_STATS_VCPU,
} from '../../../protocol/libvirt/constants.ts';
import { cgroupSheets } from '../../process/cgroup-stats.ts';
import { CPU_TIME, PROCESS_SHEETS, processSheet, vcpuSheets } from '../../process/stats.ts';
import { numberOf, type StatsRecord } from '../stats-record.ts';
import { Described, type DescribedValue, type KeyTable } from './key-table.ts';
import { vcpuPath } from './kvm.ts';

/** libvirt has all times in nanoseconds, in whichever steps they were counted. */
const OF_PROCESS = new Described([
  CPU_TIME,
  ...[processSheet(NANOSECONDS), ...PROCESS_SHEETS].flatMap(({ stats }) => stats),
]);
/** libvirt has it from /proc, but only together with what the VM's monitor tells. */
const RSS = PROCESS_SHEETS.flatMap(({ stats }) => stats).filter(({ name }) => name === 'rss');

const OF_CGROUP = new Described(
  cgroupSheets(NANOSECONDS)
    .filter(({ controller }) => controller === 'cpuacct')
    .flatMap(({ stats }) => stats),
);
const OF_VCPU = new Described(vcpuSheets({ ticks: undefined, hasWaits: true }).flatMap(({ stats }) => stats));

/** The steps in which the kernel shows the times of a process. */
const TICK_NS = 10_000_000n;

const TIMES = ['time', 'user', 'system'] as const;

/**
 * What the provider `process` has of a VM that libvirt runs, as far as a key of libvirt's means the same: the times of the control
 * group, or of the process where it is in none, its memory, and run time, delay and wait of the threads of vCPUs.
 */
export const PROCESS_KEYS: KeyTable = {
  provider: 'process',
  targets: {
    vm: {
      groups: (names) =>
        (isAsked(names, (name) => name.endsWith('_time')) ? VIR_DOMAIN_STATS_CPU_TOTAL : 0) |
        (isAsked(names, (name) => name === 'rss') ? VIR_DOMAIN_STATS_BALLOON : 0),
      needsMonitor: false,
      nothing: 'libvirt tells nothing of the process of the VM',
      permanent: RSS,
      read: (record) => {
        const values = [...cpuTimes(record), ...OF_PROCESS.value('rss', record.number('balloon.rss'))];
        return values.length === 0 ? [] : [{ values }];
      },
    },
    vcpu: {
      groups: () => VIR_DOMAIN_STATS_VCPU,
      needsMonitor: false,
      nothing: 'libvirt tells nothing of the threads of the VM',
      read: (record) =>
        [...record.objects('vcpu')].flatMap(([index, fields]) => {
          const values = [
            ...OF_VCPU.value('run_time', numberOf(fields.get('time'))),
            ...OF_VCPU.value('run_delay', numberOf(fields.get('delay'))),
            ...OF_VCPU.value('run_wait', waitOf(numberOf(fields.get('wait')))),
          ];
          return values.length === 0 ? [] : [{ path: vcpuPath(index), values }];
        }),
    },
  },
};

function isAsked(names: readonly string[] | undefined, isOfGroup: (name: string) => boolean): boolean {
  return names === undefined || names.some(isOfGroup);
}

/** libvirt says 0 where the kernel does not keep that account, as it does not by default. */
function waitOf(waitNs: bigint | undefined): bigint | undefined {
  return waitNs === 0n ? undefined : waitNs;
}

/**
 * libvirt does not say whose times they are: those of a control group, which are counted in microseconds or nanoseconds, or, where
 * there is none, those that /proc shows of the process, which are all whole ticks.
 */
function cpuTimes(record: StatsRecord): readonly DescribedValue[] {
  const times = TIMES.map((key) => [key, record.number(`cpu.${key}`)] as const);
  const isInTicks = times.every(([, time]) => time === undefined || time % TICK_NS === 0n);
  return times.flatMap(([key, time]) => {
    const name = key === 'time' ? 'cpu_time' : `${key}_time`;
    return isInTicks ? OF_PROCESS.value(name, time) : OF_CGROUP.value(`cgroup_${name}`, time);
  });
}
