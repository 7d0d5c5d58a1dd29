import type { ProcessFolder } from '../../host/process-folder.ts';
import { numbersOf } from '../../model/packed.ts';
import type { PackedForm, StatEntry } from '../../model/sample.ts';
import type { Numbers } from '../../protocol/proc/words.ts';
import { SheetReader } from './sheet-reader.ts';
import { SCHEDULING_TIMESLICES, type Sheet, SWITCHES_COUNT } from './stats.ts';
import { formOf, pack, type Told } from './thread-values.ts';

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
  readonly #form: PackedForm;
  /** `timeslices` from which on the values that were read are final. */
  #finalSince: bigint | undefined;
  /** What all files but the first told: all values packed, where nothing was missing. */
  #kept: Buffer | readonly StatEntry[] = [];

  /** The first two sheets are those of scheduling and of context switches. */
  constructor(folder: ProcessFolder, threadId: number, sheets: readonly Sheet[]) {
    const [scheduling, switches, ...others] = sheets.map(
      (sheet) => new SheetReader(sheet, folder.file(`task/${threadId}/${sheet.file}`)),
    );
    this.#scheduling = scheduling!;
    this.#switches = switches!;
    this.#others = others;
    this.#form = formOf(sheets);
  }

  /** True where the thread is no longer there. */
  get isVanished(): boolean {
    return this.#readers.every(({ refusal }) => refusal?.code === 'PATH_NOT_FOUND');
  }

  /** What it tells now of `names`. @throws DOMAIN_GONE */
  readSome(names: ReadonlySet<string>): readonly StatEntry[] {
    const entries: StatEntry[] = [];
    for (const reader of this.#readers) reader.addTo(entries, names);
    return entries;
  }

  /** What it tells now. @throws DOMAIN_GONE */
  readAll(): Told {
    const scheduling = this.#scheduling.values();
    const timeslices = scheduling?.[SCHEDULING_TIMESLICES];
    const isFinal = timeslices !== undefined && timeslices === this.#finalSince;
    const bytes = isFinal ? this.#packedAgain(scheduling) : this.#readOthers(scheduling, timeslices);
    if (bytes !== undefined) return { form: this.#form, bytes };
    const entries: StatEntry[] = [];
    if (scheduling !== undefined) this.#scheduling.add(scheduling, entries, undefined);
    entries.push(...(this.#kept instanceof Uint8Array ? this.#othersOf(this.#kept) : this.#kept));
    return entries;
  }

  /** Gives its files back. */
  drop(folder: ProcessFolder): void {
    for (const { file } of this.#readers) folder.drop(file);
  }

  get #readers(): readonly SheetReader[] {
    return [this.#scheduling, this.#switches, ...this.#others];
  }

  /** All values, packed; undefined where one is missing. What the others told is kept. */
  #readOthers(scheduling: Numbers | undefined, timeslices: bigint | undefined): Buffer | undefined {
    const readers = [this.#switches, ...this.#others];
    const told = readers.map((reader) => reader.values());
    const bytes = pack([scheduling, ...told], this.#form.stats.length);
    this.#kept = bytes ?? entriesOf(readers, told);
    const isWhole = this.#readers.every(({ refusal }) => refusal === undefined);
    this.#finalSince = isWhole && timeslices !== undefined && timeslices === sumOf(told[0]) ? timeslices : undefined;
    return bytes;
  }

  /** The same where the others still tell what was kept. */
  #packedAgain(scheduling: Numbers | undefined): Buffer | undefined {
    return this.#kept instanceof Uint8Array ? pack([scheduling], this.#form.stats.length, this.#kept) : undefined;
  }

  #othersOf(kept: Buffer): readonly StatEntry[] {
    const { stats, places } = this.#form;
    const { length } = this.#scheduling.sheet.stats;
    return numbersOf({ form: { stats: stats.slice(length), places: places.slice(length) }, bytes: kept });
  }
}

function entriesOf(readers: readonly SheetReader[], told: readonly (Numbers | undefined)[]): readonly StatEntry[] {
  const entries: StatEntry[] = [];
  for (const [index, reader] of readers.entries()) {
    const values = told[index];
    if (values !== undefined) reader.add(values, entries, undefined);
  }
  return entries;
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
