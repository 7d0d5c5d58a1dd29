import type { ProcessFolder } from '../../host/process-folder.ts';
import type { Scale } from '../../model/describe.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { StatEntry } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { Cgroup } from './cgroup.ts';
import { cgroupSheets } from './cgroup-stats.ts';
import { described, SheetReader } from './sheet-reader.ts';
import { CPU_TIME, PROCESS_SHEETS, processSheet, VIRTUAL_MEMORY } from './stats.ts';

/** What reading a process as a whole takes. */
export interface ProcessReaderOptions {
  readonly procRoot: string;
  /** Scale of the kernel's steps of time; undefined where no scale can say them. */
  readonly ticks: Scale | undefined;
  /** CPU time of the process in nanoseconds; undefined where there is no clock to ask. */
  readonly cpuNs: () => bigint | undefined;
}

/** Reads the files of one process and of its control groups. */
export class ProcessReader {
  readonly #options: ProcessReaderOptions;
  readonly #stat: SheetReader;
  readonly #others: readonly SheetReader[];
  readonly #cgroup: Cgroup;
  readonly #virtualMemory: number;

  constructor(folder: ProcessFolder, options: ProcessReaderOptions) {
    const { procRoot, ticks } = options;
    const readerOf = (sheet: ReturnType<typeof processSheet>) => new SheetReader(sheet, folder.file(sheet.file));
    this.#options = options;
    this.#stat = readerOf(processSheet(ticks));
    this.#others = PROCESS_SHEETS.map(readerOf);
    this.#cgroup = new Cgroup(folder, procRoot, cgroupSheets(ticks));
    this.#virtualMemory = this.#stat.sheet.stats.indexOf(VIRTUAL_MEMORY);
  }

  /** What of the process itself may not be read, and why, by the names of the files. */
  get refusals(): ReadonlyMap<string, VirtstatError> {
    return new Map(
      this.#others.flatMap(({ sheet, refusal }) =>
        refusal?.code === 'ACCESS_DENIED' ? [[sheet.file, refusal] as const] : [],
      ),
    );
  }

  /**
   * What is told now, in the schema's order; of `names` only, where they are given.
   * @throws DOMAIN_GONE, ACCESS_DENIED
   */
  read(names?: ReadonlySet<string>): readonly StatEntry[] {
    const entries: StatEntry[] = [];
    if (names === undefined || names.has(CPU_TIME.name)) {
      const value = this.#options.cpuNs();
      if (value !== undefined) entries.push({ name: CPU_TIME.name, value });
    }
    // After the clock, which knows a pid alone: that this file can be read shows that the pid is still the process's own.
    this.#readStat(entries, names);
    for (const reader of this.#others) reader.addTo(entries, names);
    this.#cgroup.addTo(entries, names);
    return entries;
  }

  /** The statistics of which there are values. @throws as {@link read} */
  schema(): readonly StatDescriptor[] {
    const entries = this.read();
    const sheets = [this.#stat, ...this.#others].map(({ sheet }) => sheet);
    return described(entries, [CPU_TIME, ...sheets.flatMap(({ stats }) => stats), ...this.#cgroup.stats]);
  }

  #readStat(entries: StatEntry[], names: ReadonlySet<string> | undefined): void {
    const values = this.#stat.values();
    const { refusal } = this.#stat;
    if (refusal?.code === 'PATH_NOT_FOUND' || values?.[this.#virtualMemory] === 0n) {
      throw new VirtstatError('DOMAIN_GONE', 'the process of the VM has exited; look for domains again');
    }
    if (values === undefined) throw refusal;
    this.#stat.add(values, entries, names);
  }
}
