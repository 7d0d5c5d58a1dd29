import { nowNs } from '../../host/clock.ts';
import { clockTicksPerSecond, scaleOfTicks } from '../../host/clock-ticks.ts';
import type { OpenPlaces } from '../../host/kernel-files.ts';
import { ProcessFolder } from '../../host/process-folder.ts';
import { PROC_ROOT, type Process } from '../../host/processes.ts';
import { keepsSchedulerAccounts } from '../../host/scheduler.ts';
import { processCpuNs } from '../../host/syscalls.ts';
import type { Availability, Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import { PackedReading } from '../../model/packed.ts';
import type { CallOptions, OfferedProvider, SchemaOptions, StatsRequest } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';
import { ProcessReader } from './process-reader.ts';
import { iothreadSheets, type Sheet, type ThreadSheetOptions, vcpuSheets } from './stats.ts';
import type { ThreadOf } from './thread.ts';
import { ThreadReaders } from './thread-readers.ts';

const NAME = 'process';

interface ThreadSheets {
  readonly vcpu: readonly Sheet[];
  readonly iothread: readonly Sheet[];
}

/**
 * By whether the scheduler keeps its accounts: the same for every VM of this machine, so that what is prepared for their form is
 * prepared once.
 */
const threadSheets = new Map<boolean, ThreadSheets>();

function threadSheetsOf(options: ThreadSheetOptions): ThreadSheets {
  let sheets = threadSheets.get(options.hasWaits);
  if (sheets === undefined) {
    sheets = { vcpu: vcpuSheets(options), iothread: iothreadSheets(options) };
    threadSheets.set(options.hasWaits, sheets);
  }
  return sheets;
}

/** Says that there is nothing to read, not that reading failed. */
const NOT_OFFERED = 'STATS_NOT_OFFERED';

/** How values that the kernel accounts to a process, a thread or a control group are marked in {@link Reading.via}. */
export const VIA_PROC = 'proc';

/** Who tells which thread serves what, and what the rest of the process needs. */
export interface ProcessProviderOptions {
  readonly threads: {
    /** The threads of vCPUs, ascending; the same array while they are the same. */
    vcpus(options: CallOptions): Promise<readonly ThreadOf[]>;
    /** The I/O threads, ascending; the same array while they are the same. */
    iothreads(options: CallOptions): Promise<readonly ThreadOf[]>;
  };
  /** True where the process that was found has exited, though another may have its pid by now. */
  readonly hasExited: () => boolean;
  /** Where processes are shown; `/proc` if absent. Elsewhere pids mean nothing to the kernel's clocks. */
  readonly procRoot?: string;
  /** Bounds the open files; those of this process if absent. */
  readonly places?: OpenPlaces;
}

/**
 * The provider `process`: what the host's kernel accounts to the process of a VM, to each thread that runs a vCPU, and to
 * each I/O thread. Neither the VMM nor the guest notices; the VMM is asked only which thread serves what.
 */
export class ProcessProvider implements OfferedProvider {
  readonly name: string = NAME;
  readonly targets: readonly string[] = ['vm', 'vcpu', 'iothread'];
  readonly #pid: number;
  readonly #options: ProcessProviderOptions;
  readonly #folder: ProcessFolder;
  readonly #process: ProcessReader;
  readonly #vcpus: ThreadReaders;
  readonly #iothreads: ThreadReaders;
  #isClosed = false;

  constructor(process: Pick<Process, 'pid' | 'startTicks'>, options: ProcessProviderOptions) {
    const { procRoot = PROC_ROOT } = options;
    const ticks = scaleOfTicks(clockTicksPerSecond());
    this.#pid = process.pid;
    this.#options = options;
    this.#folder = new ProcessFolder(process, options);
    this.#process = new ProcessReader(this.#folder, {
      procRoot,
      ticks,
      cpuNs: procRoot === PROC_ROOT ? clockOf(process.pid) : () => undefined,
    });
    const { vcpu, iothread } = threadSheetsOf({ ticks, hasWaits: keepsSchedulerAccounts(procRoot) });
    this.#vcpus = new ThreadReaders(this.#folder, vcpu);
    this.#iothreads = new ThreadReaders(this.#folder, iothread);
  }

  /** @throws DOMAIN_GONE; of a single target also why nobody can tell which threads serve it */
  async schemas(_domain: Domain, { target, signal }: SchemaOptions): Promise<readonly Schema[]> {
    const asked = this.targets.filter((each) => target === undefined || each === target);
    const schemas: Schema[] = [];
    for (const each of asked) {
      try {
        const stats = await this.#stats(each, { signal });
        if (stats.length > 0) schemas.push({ provider: NAME, target: each, stats });
      } catch (error) {
        if (!isOfOneTarget(error) || (target !== undefined && error.code !== NOT_OFFERED)) throw error;
      }
    }
    return schemas;
  }

  /** None where nothing is accounted to the objects. @throws DOMAIN_GONE; why nobody can tell which threads serve the target */
  async stats(_domain: Domain, request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    try {
      return await this.#sample(request, options);
    } catch (error) {
      if (VirtstatError.is(error) && error.code === NOT_OFFERED) return [];
      throw error;
    }
  }

  /** @throws DOMAIN_GONE, CANCELLED */
  async availability(_domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    const answers: Availability[] = [];
    for (const target of this.targets) answers.push(...(await this.#offer(target, options)));
    return answers;
  }

  /** For good. */
  close(): void {
    this.#isClosed = true;
    this.#folder.close();
  }

  async #sample(request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    const names = request.names && new Set(request.names);
    if (request.target === 'vm') {
      const collectedAtNs = nowNs();
      const stats = this.#read(() => this.#process.read(names));
      return stats.length === 0 ? [] : [{ via: VIA_PROC, collectedAtNs, stats }];
    }
    const { readers, threads } = await this.#threadsOf(request.target, options);
    const { paths } = request;
    const asked = paths === undefined ? threads : threads.filter(({ path }) => paths.includes(path));
    if (asked.length === 0) return [];
    return this.#read(() => {
      const collectedAtNs = nowNs();
      return readers.read(threads, asked, names).map(({ path, told }) => {
        const facts = { path, via: VIA_PROC, collectedAtNs };
        return 'form' in told ? new PackedReading(told, facts) : { ...facts, stats: told };
      });
    });
  }

  async #offer(target: string, options: CallOptions): Promise<readonly Availability[]> {
    const offer = { provider: NAME, target, via: VIA_PROC };
    try {
      const stats = await this.#stats(target, options);
      if (stats.length === 0) return [{ ...offer, available: false, reason: nothingOf(target) }];
      const refused = target === 'vm' ? [...this.#process.refusals] : [];
      return [
        { ...offer, available: true },
        ...refused.map(([file, { message }]) => {
          return {
            ...offer,
            via: `${VIA_PROC}-${file}`,
            available: false,
            reason: `only what ${this.#options.procRoot ?? PROC_ROOT}/${this.#pid}/${file} tells is missing: ${message}`,
          };
        }),
      ];
    } catch (error) {
      if (!isOfOneTarget(error)) throw error;
      return [{ ...offer, available: false, reason: error.message }];
    }
  }

  async #stats(target: string, options: CallOptions): Promise<Schema['stats']> {
    if (target === 'vm') return this.#read(() => this.#process.schema());
    const { readers, threads } = await this.#threadsOf(target, options);
    return threads.length === 0 ? [] : this.#read(() => readers.schema(threads));
  }

  async #threadsOf(
    target: string,
    options: CallOptions,
  ): Promise<{ readonly readers: ThreadReaders; readonly threads: readonly ThreadOf[] }> {
    const { threads } = this.#options;
    if (target === 'vcpu') return { readers: this.#vcpus, threads: await threads.vcpus(options) };
    return { readers: this.#iothreads, threads: await threads.iothreads(options) };
  }

  /** Threads that are all gone went with their process, as a rule. */
  #read<T extends readonly unknown[]>(read: () => T): T {
    if (this.#isClosed) throw new VirtstatError('CLOSED', 'the files of the process were closed');
    const result = this.#readAndLeave(read);
    if (result.length === 0 && this.#options.hasExited()) {
      throw new VirtstatError('DOMAIN_GONE', 'the process of the VM has exited; look for domains again');
    }
    return result;
  }

  #readAndLeave<T>(read: () => T): T {
    try {
      return read();
    } finally {
      this.#folder.leave();
    }
  }
}

/** True for what keeps one target from being measured, and says nothing of the others. */
function isOfOneTarget(error: unknown): error is VirtstatError {
  return (
    VirtstatError.is(error) && error.code !== 'DOMAIN_GONE' && error.code !== 'CANCELLED' && error.code !== 'CLOSED'
  );
}

function nothingOf(target: string): string {
  return target === 'iothread' ? 'the VM has no I/O threads' : `the kernel tells nothing of a ${target}`;
}

/** Absent where system calls cannot be made: what stands in files is there all the same. */
function clockOf(pid: number): () => bigint | undefined {
  let isMissing = false;
  return () => {
    if (isMissing) return undefined;
    try {
      return processCpuNs(pid);
    } catch {
      isMissing = true;
      return undefined;
    }
  };
}
