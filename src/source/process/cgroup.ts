import { mountinfo } from '../../host/cgroup-mounts.ts';
import { KERNEL_TEXT, type KernelFile } from '../../host/kernel-files.ts';
import type { ProcessFolder } from '../../host/process-folder.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { StatEntry } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { cgroupFolders, parseCgroupMounts, vmControllers } from '../../protocol/proc/cgroups.ts';
import { CGROUP_CPU_TIME, CGROUP_OWN, type CgroupSheet } from './cgroup-stats.ts';
import { SheetReader } from './sheet-reader.ts';

/** How long a process is taken to be in the groups it was found in, in milliseconds. */
const LOOK_AGAIN_MS = 5000;

/**
 * The control groups of one process. It may be moved to others, and groups may vanish: where it is, is looked for anew every
 * few seconds, and what was opened of the groups before shows nothing of the new ones.
 */
export class Cgroup {
  readonly #folder: ProcessFolder;
  readonly #procRoot: string;
  readonly #sheets: readonly CgroupSheet[];
  readonly #membership: KernelFile;
  #where: string | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #readers: readonly GroupReader[] = [];
  /** Undefined where no group tells CPU times. */
  #isOwn: boolean | undefined;

  constructor(folder: ProcessFolder, procRoot: string, sheets: readonly CgroupSheet[]) {
    this.#folder = folder;
    this.#procRoot = procRoot;
    this.#sheets = sheets;
    this.#membership = folder.file('cgroup');
  }

  /** What its sheets can tell, those of which one is enough one after the other. */
  get stats(): readonly StatDescriptor[] {
    return [...this.#readers.flatMap(({ sheet }) => sheet.stats), CGROUP_OWN];
  }

  /** Adds what the groups tell now to `entries`; nothing where the process is in no group of its own. @throws DOMAIN_GONE */
  addTo(entries: StatEntry[], names: ReadonlySet<string> | undefined): void {
    const isWanted = (name: string): boolean => names === undefined || names.has(name);
    if (!isWanted(CGROUP_OWN.name) && !this.#sheets.some(({ stats }) => stats.some(({ name }) => isWanted(name))))
      return;
    if (performance.now() - this.#lookedAtMs >= LOOK_AGAIN_MS) this.#look();
    for (const { reader } of this.#readers) reader.addTo(entries, names);
    if (this.#isOwn !== undefined && isWanted(CGROUP_OWN.name)) {
      entries.push({ name: CGROUP_OWN.name, value: this.#isOwn });
    }
  }

  #look(): void {
    this.#lookedAtMs = performance.now();
    const where = this.#membershipText();
    if (where === this.#where && !this.#readers.some(({ reader }) => reader.refusal !== undefined)) return;
    this.#where = where;
    for (const { reader } of this.#readers) this.#folder.drop(reader.file);
    this.#readers = this.#readable(cgroupFolders(where, parseCgroupMounts(mountinfo(this.#procRoot))));
    const timed = this.#readers.find(({ sheet }) => sheet.stats.some(({ name }) => name === CGROUP_CPU_TIME));
    this.#isOwn = timed && vmControllers(where).has(timed.sheet.controller);
  }

  #membershipText(): string {
    try {
      return KERNEL_TEXT.toString('latin1', 0, this.#membership.read());
    } catch (error) {
      if (VirtstatError.is(error) && error.code === 'DOMAIN_GONE') throw error;
      return '';
    }
  }

  /** Of each statistic the first sheet that has it; a sheet that has none left is not read. */
  #readable(folders: ReadonlyMap<string, string>): readonly GroupReader[] {
    const told = new Set<string>();
    return this.#sheets.flatMap((sheet) => {
      const folder = folders.get(sheet.controller);
      if (folder === undefined) return [];
      const reader = new SheetReader(sheet, this.#folder.fileAt(`${folder}/${sheet.file}`));
      const entries: StatEntry[] = [];
      reader.addTo(entries, undefined);
      const names = entries.map(({ name }) => name).filter((name) => !told.has(name));
      for (const name of names) told.add(name);
      if (names.length > 0) {
        const kept = only(sheet, new Set(names));
        return [{ sheet: kept, reader: new SheetReader(kept, reader.file) }];
      }
      this.#folder.drop(reader.file);
      return [];
    });
  }
}

/** A sheet that is read, and who reads it. */
interface GroupReader {
  readonly sheet: CgroupSheet;
  readonly reader: SheetReader;
}

/** A sheet with some of its statistics alone. */
function only(sheet: CgroupSheet, names: ReadonlySet<string>): CgroupSheet {
  const kept = sheet.stats.flatMap(({ name }, index) => (names.has(name) ? [index] : []));
  if (kept.length === sheet.stats.length) return sheet;
  return {
    ...sheet,
    stats: kept.map((index) => sheet.stats[index]!),
    decode: (bytes, sizeBytes) => {
      const values = sheet.decode(bytes, sizeBytes);
      return kept.map((index) => values[index]);
    },
  };
}
