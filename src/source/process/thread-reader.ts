import type { ProcessFolder } from '../../host/process-folder.ts';
import type { StatEntry } from '../../model/sample.ts';
import type { Numbers } from '../../protocol/proc/words.ts';
import { SheetReader } from './sheet-reader.ts';
import { SCHEDULING_TIMESLICES, type Sheet, SWITCHES_COUNT } from './stats.ts';

/**
 * The files of one thread. Between two readings most threads of most hosts have not run, and then nothing but the first file is
 * read: all that the others tell is accounted to a thread while it runs, and to its own processor time.
 *
 * How that is known: a thread that came onto a processor as often (`timeslices`, read first) as it left one (context
 * switches, read second) was on none by then, so what was read after that is final; and as long as it comes onto none,
 * `timeslices` stays as it was.
 */
export class ThreadReader {
  readonly #scheduling: SheetReader;
  readonly #switches: SheetReader;
  readonly #others: readonly SheetReader[];
  /** `timeslices` from which on the values that were read are final. */
  #finalSince: bigint | undefined;
  #kept: readonly StatEntry[] = [];

  /** The first two sheets are those of scheduling and of context switches. */
  constructor(folder: ProcessFolder, threadId: number, sheets: readonly Sheet[]) {
    const [scheduling, switches, ...others] = sheets.map(
      (sheet) => new SheetReader(sheet, folder.file(`task/${threadId}/${sheet.file}`)),
    );
    this.#scheduling = scheduling!;
    this.#switches = switches!;
    this.#others = others;
  }

  /** True where the thread is no longer there. */
  get isVanished(): boolean {
    return this.#readers.every(({ refusal }) => refusal?.code === 'PATH_NOT_FOUND');
  }

  /** What it tells now, of `names` only where they are given. @throws DOMAIN_GONE */
  read(names: ReadonlySet<string> | undefined): readonly StatEntry[] {
    const entries: StatEntry[] = [];
    if (names !== undefined) {
      for (const reader of this.#readers) reader.addTo(entries, names);
      return entries;
    }
    const scheduling = this.#scheduling.values();
    if (scheduling !== undefined) this.#scheduling.add(scheduling, entries, undefined);
    const timeslices = scheduling?.[SCHEDULING_TIMESLICES];
    if (timeslices === undefined || timeslices !== this.#finalSince) this.#readOthers(timeslices);
    entries.push(...this.#kept);
    return entries;
  }

  /** Gives its files back. */
  drop(folder: ProcessFolder): void {
    for (const { file } of this.#readers) folder.drop(file);
  }

  get #readers(): readonly SheetReader[] {
    return [this.#scheduling, this.#switches, ...this.#others];
  }

  #readOthers(timeslices: bigint | undefined): void {
    const entries: StatEntry[] = [];
    const switches = this.#switches.values();
    if (switches !== undefined) this.#switches.add(switches, entries, undefined);
    for (const reader of this.#others) reader.addTo(entries, undefined);
    this.#kept = entries;
    const isWhole = this.#readers.every(({ refusal }) => refusal === undefined);
    this.#finalSince = isWhole && timeslices !== undefined && timeslices === sumOf(switches) ? timeslices : undefined;
  }
}

function sumOf(switches: Numbers | undefined): bigint | undefined {
  let sum = 0n;
  for (let index = 0; index < SWITCHES_COUNT; index++) {
    const value = switches?.[index];
    if (value === undefined) return undefined;
    sum += value;
  }
  return sum;
}
