import { BOOLEAN, BYTES, COUNT, describeStat, MICROSECONDS, NANOSECONDS, type Scale } from '../../model/describe.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { lines } from '../../protocol/proc/lines.ts';
import { words } from '../../protocol/proc/words.ts';
import { type Sheet, sheetOfLines } from './stats.ts';

/** A file of control groups, and the controller whose folder it is in: the empty word for version 2. */
export interface CgroupSheet extends Sheet {
  readonly controller: string;
}

const time = (name: string, scale: Scale): StatDescriptor => describeStat(`cgroup_${name}`, 'cumulative', scale);
const count = (name: string): StatDescriptor => describeStat(`cgroup_${name}`, 'cumulative', COUNT);

/** True where the group of the CPU times is one that libvirt made for the VM, and nothing else is in it. */
export const CGROUP_OWN: StatDescriptor = describeStat('cgroup_own', 'instant', BOOLEAN);

/** What tells which group that is. */
export const CGROUP_CPU_TIME = 'cgroup_cpu_time';

/** A file that holds one number. */
function single(file: string, stat: StatDescriptor): Sheet {
  return { file, stats: [stat], decode: words([1]) };
}

/** How long some, and how long all, of the group's tasks waited for something (Documentation/accounting/psi.rst). */
function pressure(resource: string): Sheet {
  return {
    file: `${resource}.pressure`,
    stats: [time(`${resource}_pressure_some`, MICROSECONDS), time(`${resource}_pressure_full`, MICROSECONDS)],
    decode: lines([
      { start: 'some ', label: 'total=' },
      { start: 'full ', label: 'total=' },
    ]),
  };
}

const MEMORY = describeStat('cgroup_memory', 'instant', BYTES);

/**
 * What a control group has that a process has not, by the files of version 2 and then of version 1
 * (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/). A machine may have both; of two files with the same statistic
 * the first that can be read counts.
 *
 * @param ticks - as {@link scaleOfTicks} gives it
 */
export function cgroupSheets(ticks: Scale | undefined): readonly CgroupSheet[] {
  const two: readonly Sheet[] = [
    sheetOfLines('cpu.stat', [
      ['usage_usec ', time('cpu_time', MICROSECONDS)],
      ['user_usec ', time('user_time', MICROSECONDS)],
      ['system_usec ', time('system_time', MICROSECONDS)],
      ['nr_periods ', count('nr_periods')],
      ['nr_throttled ', count('nr_throttled')],
      ['throttled_usec ', time('throttled_time', MICROSECONDS)],
    ]),
    single('memory.current', MEMORY),
    pressure('cpu'),
    pressure('memory'),
    pressure('io'),
  ];
  return [
    ...two.map((sheet) => ({ controller: '', ...sheet })),
    { controller: 'cpuacct', ...single('cpuacct.usage', time('cpu_time', NANOSECONDS)) },
    ...(ticks === undefined
      ? []
      : [
          {
            controller: 'cpuacct',
            ...sheetOfLines('cpuacct.stat', [
              ['user ', time('user_time', ticks)],
              ['system ', time('system_time', ticks)],
            ]),
          },
        ]),
    {
      controller: 'cpu',
      ...sheetOfLines('cpu.stat', [
        ['nr_periods ', count('nr_periods')],
        ['nr_throttled ', count('nr_throttled')],
        ['throttled_time ', time('throttled_time', NANOSECONDS)],
      ]),
    },
    { controller: 'memory', ...single('memory.usage_in_bytes', MEMORY) },
  ];
}
