import { KERNEL_TEXT, type KernelFile } from '../../host/kernel-files.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { StatEntry } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import type { Numbers } from '../../protocol/proc/words.ts';
import type { Sheet } from './stats.ts';

/** One sheet of one object: its file, and what could not be had of it when it was last read. */
export class SheetReader {
  readonly sheet: Sheet;
  readonly file: KernelFile;
  #refusal: VirtstatError | undefined;

  constructor(sheet: Sheet, file: KernelFile) {
    this.sheet = sheet;
    this.file = file;
  }

  /** Why it could not be read; undefined where it could. */
  get refusal(): VirtstatError | undefined {
    return this.#refusal;
  }

  /**
   * Adds what it tells now, in its order, to `entries`: of `names` only, where they are given. What cannot be had is left
   * out. A sheet of which nothing is wanted is not read.
   * @throws DOMAIN_GONE
   */
  addTo(entries: StatEntry[], names: ReadonlySet<string> | undefined): void {
    if (!this.isWanted(names)) return;
    const values = this.values();
    if (values !== undefined) this.add(values, entries, names);
  }

  isWanted(names: ReadonlySet<string> | undefined): boolean {
    return names === undefined || this.sheet.stats.some(({ name }) => names.has(name));
  }

  /** Its values now; undefined where it cannot be read. @throws DOMAIN_GONE */
  values(): Numbers | undefined {
    try {
      const sizeBytes = this.file.read();
      this.#refusal = undefined;
      return this.sheet.decode(KERNEL_TEXT, sizeBytes);
    } catch (error) {
      const reason = VirtstatError.from(error, 'STATS_FILE_UNREADABLE', `${this.sheet.file} cannot be read`);
      if (reason.code === 'DOMAIN_GONE') throw reason;
      this.#refusal = reason;
      return undefined;
    }
  }

  /** Adds what {@link values} gave, as {@link addTo} does. */
  add(values: Numbers, entries: StatEntry[], names: ReadonlySet<string> | undefined): void {
    const { stats } = this.sheet;
    for (let index = 0; index < stats.length; index++) {
      const value = values[index];
      const { name } = stats[index]!;
      if (value !== undefined && (names === undefined || names.has(name))) entries.push({ name, value });
    }
  }
}

/** The statistics of which there are values, in the order of the sheets; of several with one name, the first. */
export function described(entries: readonly StatEntry[], stats: readonly StatDescriptor[]): readonly StatDescriptor[] {
  const told = new Set(entries.map(({ name }) => name));
  return stats.filter(({ name }) => told.delete(name));
}
