import { BYTES, COUNT, describeStat, NANOSECONDS, type Scale } from '../../model/describe.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { lastLines, lines } from '../../protocol/proc/lines.ts';
import { waitOfSched } from '../../protocol/proc/sched.ts';
import { type Decode, fieldsOfStat, words } from '../../protocol/proc/words.ts';

/** A file of the kernel, and the statistics that stand in it. */
export interface Sheet {
  /** Its name in the folder of the process, of the thread or of the control group. */
  readonly file: string;
  /** In the order in which {@link decode} gives their values. */
  readonly stats: readonly StatDescriptor[];
  readonly decode: Decode;
}

/** A sheet of lines, each with a word in front of a number: `[start of the line, statistic]`. */
export function sheetOfLines(file: string, rows: readonly (readonly [start: string, stat: StatDescriptor])[]): Sheet {
  return { file, stats: rows.map(([, stat]) => stat), decode: lines(rows.map(([start]) => ({ start }))) };
}

const counter = (name: string): StatDescriptor => describeStat(name, 'cumulative', COUNT);
const bytes = (name: string): StatDescriptor => describeStat(name, 'cumulative', BYTES);

/** Index of `timeslices`, how often a thread came onto a processor, among the values of its `schedstat`. */
export const SCHEDULING_TIMESLICES = 2;

/** `schedstat` of a thread; a kernel that keeps no such account shows three zeros. */
function scheduling(file: string, prefix: string): Sheet {
  const numbers = words([1, 2, 3]);
  return {
    file,
    stats: [
      describeStat(`${prefix}run_time`, 'cumulative', NANOSECONDS),
      describeStat(`${prefix}run_delay`, 'cumulative', NANOSECONDS),
      counter(`${prefix}timeslices`),
    ],
    decode: (text, sizeBytes) => {
      const values = numbers(text, sizeBytes);
      return values[SCHEDULING_TIMESLICES] === 0n ? [undefined, undefined, undefined] : values;
    },
  };
}

/** Times that the kernel shows in its steps, by the numbers of their fields in `stat`. */
const TIMES = [
  [14, 'user_time'],
  [15, 'system_time'],
  [43, 'guest_time'],
] as const;

const FAULTS = [
  [10, 'minor_faults'],
  [12, 'major_faults'],
] as const;

/** Times, faults and more of `stat`. @param ticks - scale of its times; undefined: without them */
function fields(
  ticks: Scale | undefined,
  more: readonly (readonly [field: number, stat: StatDescriptor])[],
): Pick<Sheet, 'stats' | 'decode'> {
  const times =
    ticks === undefined ? [] : TIMES.map(([field, name]) => [field, describeStat(name, 'cumulative', ticks)] as const);
  const faults = FAULTS.map(([field, name]) => [field, counter(name)] as const);
  const rows = [...times, ...faults, ...more];
  return { stats: rows.map(([, stat]) => stat), decode: fieldsOfStat(rows.map(([field]) => field)) };
}

/** What was read and written by system calls, and what of it reached a disk (proc_pid_io(5)). */
const IO: Sheet = sheetOfLines('io', [
  ['rchar:', bytes('rchar')],
  ['wchar:', bytes('wchar')],
  ['syscr:', counter('syscr')],
  ['syscw:', counter('syscw')],
  ['read_bytes:', bytes('read_bytes')],
  ['write_bytes:', bytes('write_bytes')],
  ['cancelled_write_bytes:', bytes('cancelled_write_bytes')],
]);

/** The first values of `status` of a thread: how often it left a processor, of its own accord and not. */
export const SWITCHES_COUNT = 2;

/** How often a thread gave up the processor, and how often it had to. */
function switches(prefix: string): readonly (readonly [string, StatDescriptor])[] {
  return [
    ['voluntary_ctxt_switches:', counter(`${prefix}voluntary_ctxt_switches`)],
    ['nonvoluntary_ctxt_switches:', counter(`${prefix}nonvoluntary_ctxt_switches`)],
  ];
}

const SWITCHES = switches('');

/**
 * How long the fair scheduler had a thread wait for a processor: only some kernels keep that account, and only where they are
 * told to.
 */
const WAITS: Sheet = {
  file: 'sched',
  stats: [describeStat('run_wait', 'cumulative', NANOSECONDS)],
  decode: waitOfSched(),
};

/** What the files of a thread depend on. */
export interface ThreadSheetOptions {
  /** As {@link scaleOfTicks} gives it. */
  readonly ticks: Scale | undefined;
  /** Whether the kernel keeps the scheduler's accounts. */
  readonly hasWaits: boolean;
}

/** The files of a thread that serves a vCPU, in the order in which they are to be read. */
export function vcpuSheets({ ticks, hasWaits }: ThreadSheetOptions): readonly Sheet[] {
  return [
    scheduling('schedstat', ''),
    { ...sheetOfLines('status', SWITCHES), decode: lastLines(SWITCHES.map(([start]) => start)) },
    { file: 'stat', ...fields(ticks, [[39, describeStat('processor', 'instant', COUNT)]]) },
    ...(hasWaits ? [WAITS] : []),
  ];
}

/** The files of an I/O thread: those of every thread, and what it read and wrote. */
export function iothreadSheets(options: ThreadSheetOptions): readonly Sheet[] {
  return [...vcpuSheets(options), IO];
}

/** Kibibytes, as `status` has them. */
const KIBIBYTES: Scale = { unit: 'bytes', base: 2, exponent: 10 };

const memory = (name: string, type: 'instant' | 'peak' = 'instant'): StatDescriptor =>
  describeStat(name, type, KIBIBYTES);

/** Address space of a process: none is left of one that has exited and waits for its parent to notice. */
export const VIRTUAL_MEMORY: StatDescriptor = describeStat('virtual_memory', 'instant', BYTES);

/** `stat` of a process as a whole. */
export function processSheet(ticks: Scale | undefined): Sheet {
  const more = [
    [20, describeStat('threads', 'instant', COUNT)],
    [23, VIRTUAL_MEMORY],
  ] as const;
  return { file: 'stat', ...fields(ticks, more) };
}

/**
 * The other files of a process. Nothing of the kernel adds up run-queue delays and context switches of all its threads,
 * those that have ended included: they are of the main thread alone, and say so.
 */
export const PROCESS_SHEETS: readonly Sheet[] = [
  sheetOfLines('status', [
    ['VmPeak:', memory('virtual_memory_peak', 'peak')],
    ['VmLck:', memory('locked_memory')],
    ['VmHWM:', memory('rss_peak', 'peak')],
    ['VmRSS:', memory('rss')],
    ['RssAnon:', memory('rss_anon')],
    ['RssFile:', memory('rss_file')],
    ['RssShmem:', memory('rss_shmem')],
    ['VmPTE:', memory('page_tables')],
    ['VmSwap:', memory('swap')],
    ['HugetlbPages:', memory('hugetlb_pages')],
    ...switches('main_thread_'),
  ]),
  IO,
  scheduling('schedstat', 'main_thread_'),
];

/** CPU time of a process, to the nanosecond. */
export const CPU_TIME: StatDescriptor = describeStat('cpu_time', 'cumulative', NANOSECONDS);
