import { whileWanted } from '../../host/deadline.ts';
import { listThreads, threadIds, threadName } from '../../host/processes.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { ThreadOf } from '../process/thread.ts';
import { type NamedThread, pathsByName, saysWhatFor } from './thread-names.ts';
import { type CpuIdentity, pathsOf, type VcpuIdentity } from './vcpu-paths.ts';

/** How long it is believed which thread serves what, in milliseconds: vCPUs may be plugged, a monitor may be free later. */
const LOOK_AGAIN_MS = 5000;

/** Whoever asks within this time of each other shares one answer of the monitor, in milliseconds. */
const SHARED_MS = 1000;

/** What is shared ends with no single caller; the monitor bounds what is asked of it. */
const NEVER: AbortSignal = new AbortController().signal;

/** An object with the thread that serves it, as a monitor tells: the id is that of the VMM's own pid namespace. */
type Told = Pick<CpuIdentity, 'path' | 'threadId'>;

/** Who can tell which thread serves what. */
export interface ThreadsOptions {
  readonly procRoot: string;
  /** What the VM is called in errors. */
  readonly name: string;
  /** The vCPUs as the monitor names them, ascending. Rejects where it cannot be asked. */
  readonly cpus: (options: CallOptions) => Promise<readonly CpuIdentity[]>;
  /** The I/O threads as the monitor names them. Rejects where it cannot be asked. */
  readonly iothreads: (options: CallOptions) => Promise<readonly Told[]>;
  /** The vCPUs that have a stats file. */
  readonly filed: () => readonly VcpuIdentity[];
}

/**
 * Which thread of this host serves which object of a VM. All that is told of a vCPU carries one path: its kernel stats file,
 * its thread and the monitor's own statistics.
 *
 * | who tells | path of a vCPU | path of an I/O thread |
 * | --- | --- | --- |
 * | the monitor, now or before | its QOM path | `/objects/ID` |
 * | else the kernel's stats files | `vcpu-N`, by KVM's number | |
 * | else the names of the threads | `cpu-N`, by QEMU's number | `/objects/ID` |
 */
export class Threads {
  readonly #pid: number;
  readonly #options: ThreadsOptions;
  readonly #cpus: LastTold<CpuIdentity>;
  readonly #iothreads: LastTold<Told>;
  #told: { readonly vcpus: readonly VcpuIdentity[]; readonly atMs: number; readonly paths: Paths } | undefined;
  /** Those that the stats files named; one that ends is left out by whoever reads it. */
  #filedThreads: FiledThreads | undefined;
  /** Those whose name is known for good. */
  #threads: ReadonlyMap<number, NamedThread> = new Map();
  #vcpuThreads: Found | undefined;
  #iothreadThreads: Found | undefined;

  constructor(pid: number, options: ThreadsOptions) {
    this.#pid = pid;
    this.#options = options;
    this.#cpus = new LastTold(options.cpus);
    this.#iothreads = new LastTold(options.iothreads);
  }

  /** The QOM path of each vCPU that has a stats file; undefined where nobody told it. @throws DOMAIN_GONE, CANCELLED */
  async pathsOf(vcpus: readonly VcpuIdentity[], options: CallOptions): Promise<Paths> {
    const known = this.#told;
    const isSame = known !== undefined && areSame(known.vcpus, vcpus);
    if (isSame && (!known.paths.includes(undefined) || this.#isBelieved(known.atMs, this.#cpus))) return known.paths;
    // Other vCPUs than before: what the monitor told of the earlier ones does not hold.
    const { told } = await this.#cpus.get(options, isSame || known === undefined ? SHARED_MS : 0);
    const paths = told === undefined ? vcpus.map(() => undefined) : pathsOf(vcpus, told, this.#outerIds());
    this.#told = { vcpus, atMs: performance.now(), paths };
    return paths;
  }

  /**
   * The threads of vCPUs, in ascending order of the vCPUs.
   * @throws STATS_NOT_OFFERED where several vCPUs share one; why nobody can tell them; DOMAIN_GONE, CANCELLED
   */
  async vcpus(options: CallOptions): Promise<readonly ThreadOf[]> {
    if (this.#vcpuThreads === undefined || !this.#isBelieved(this.#vcpuThreads.atMs, this.#cpus)) {
      this.#vcpuThreads = await found(() => this.#findVcpus(options));
    }
    return threadsOf(this.#vcpuThreads);
  }

  /** The I/O threads, in ascending order; none where the VM has none. @throws as {@link vcpus} */
  async iothreads(options: CallOptions): Promise<readonly ThreadOf[]> {
    if (this.#iothreadThreads === undefined || !this.#isBelieved(this.#iothreadThreads.atMs, this.#iothreads)) {
      this.#iothreadThreads = await found(async () => {
        const { told, error } = await this.#iothreads.get(options);
        return told === undefined ? this.#byName('iothread', error) : this.#onThisHost(told);
      });
    }
    return threadsOf(this.#iothreadThreads);
  }

  async #findVcpus(options: CallOptions): Promise<readonly ThreadOf[]> {
    const { told, error } = await this.#cpus.get(options);
    if (told !== undefined) return this.#apart(this.#onThisHost(told));
    const filed = this.#options.filed();
    const paths = filed.length === 0 ? [] : await this.pathsOf(filed, options);
    const threads = this.#threadsOfFiled(filed, paths);
    return threads.length > 0 ? this.#apart(threads) : this.#byName('vcpu', error);
  }

  #threadsOfFiled(filed: readonly VcpuIdentity[], paths: Paths): readonly ThreadOf[] {
    const before = this.#filedThreads;
    if (before?.filed === filed && paths.every((path, index) => path === before.paths[index])) return before.threads;
    const threads = this.#thoseThere(
      filed.map(({ vcpuId, threadId }, index) => ({ path: paths[index] ?? `vcpu-${vcpuId}`, threadId })),
    );
    this.#filedThreads = { filed, paths, threads };
    return threads;
  }

  /** What was found at a time is looked at anew after a while, and as soon as the monitor told something for the first time. */
  #isBelieved(atMs: number, { firstToldAtMs }: { readonly firstToldAtMs: number }): boolean {
    return performance.now() - atMs < LOOK_AGAIN_MS && !(firstToldAtMs > atMs);
  }

  #outerIds(): ReadonlyMap<number, number> {
    return threadIds(this.#pid, this.#options.procRoot);
  }

  /** What the monitor told earlier may have ended since. */
  #onThisHost(told: readonly Told[]): readonly ThreadOf[] {
    if (told.length === 0) return [];
    const outer = this.#outerIds();
    return this.#thoseThere(told.map(({ path, threadId }) => ({ path, threadId: outer.get(threadId) ?? threadId })));
  }

  /** @throws STATS_NOT_OFFERED */
  #apart(threads: readonly ThreadOf[]): readonly ThreadOf[] {
    if (new Set(threads.map(({ threadId }) => threadId)).size === threads.length) return threads;
    throw new VirtstatError(
      'STATS_NOT_OFFERED',
      `${this.#options.name} runs several vCPUs in one thread, so that nothing is accounted to each`,
    );
  }

  #thoseThere(threads: readonly ThreadOf[]): readonly ThreadOf[] {
    const there = new Set(listThreads(this.#pid, this.#options.procRoot));
    return threads.filter(({ threadId }) => there.has(threadId));
  }

  /** @throws `why` nobody else could tell, where the names do not either */
  #byName(target: 'vcpu' | 'iothread', why: VirtstatError): readonly ThreadOf[] {
    const paths = pathsByName(target, this.#named());
    if (paths.length === 0) throw why;
    return paths;
  }

  /** A name that says what its thread is for is final; others are asked for again, since a thread gets its name after it began. */
  #named(): readonly NamedThread[] {
    const { procRoot } = this.#options;
    const threads = listThreads(this.#pid, procRoot).map(
      (threadId) => this.#threads.get(threadId) ?? { threadId, name: threadName(this.#pid, threadId, procRoot) },
    );
    this.#threads = new Map(threads.filter(saysWhatFor).map((thread) => [thread.threadId, thread]));
    return threads;
  }
}

/** Threads that stats files name, and what was known of those. */
interface FiledThreads {
  readonly filed: readonly VcpuIdentity[];
  readonly paths: Paths;
  readonly threads: readonly ThreadOf[];
}

/** Threads, or why there are none to tell. */
interface Found {
  readonly atMs: number;
  readonly threads: readonly ThreadOf[] | VirtstatError;
}

/** @throws DOMAIN_GONE, CANCELLED */
async function found(find: () => Promise<readonly ThreadOf[]>): Promise<Found> {
  const threads = await find().catch(notTold);
  return { atMs: performance.now(), threads };
}

function threadsOf({ threads }: Found): readonly ThreadOf[] {
  if (threads instanceof VirtstatError) throw threads;
  return threads;
}

/** The error as data. @throws DOMAIN_GONE, CANCELLED */
function notTold(error: unknown): VirtstatError {
  const reason = VirtstatError.from(error, 'INTERNAL', 'which thread serves what cannot be found out');
  if (reason.code === 'DOMAIN_GONE' || reason.code === 'CANCELLED') throw reason;
  return reason;
}

type Paths = readonly (string | undefined)[];

/** The same list, most often: as long as nobody looked at the files anew. */
function areSame(some: readonly VcpuIdentity[], others: readonly VcpuIdentity[]): boolean {
  if (some === others) return true;
  if (some.length !== others.length) return false;
  return some.every(({ vcpuId, threadId }, index) => {
    const other = others[index]!;
    return vcpuId === other.vcpuId && threadId === other.threadId;
  });
}

/** What there is to know: what was told, now or before, or why nothing ever was. */
type Answer<T> =
  | { readonly told: readonly T[]; readonly error?: undefined }
  | { readonly told?: undefined; readonly error: VirtstatError };

/** A question to the monitor, asked once for all who want to know, whose last answer stays good while it fails. */
class LastTold<T> {
  readonly #ask: (options: CallOptions) => Promise<readonly T[]>;
  #last: { readonly answer: Answer<T>; readonly atMs: number } | undefined;
  #asking: Promise<Answer<T>> | undefined;
  /** When it was told first; NaN before. */
  firstToldAtMs: number = Number.NaN;

  constructor(ask: (options: CallOptions) => Promise<readonly T[]>) {
    this.#ask = ask;
  }

  /** @throws DOMAIN_GONE, CANCELLED */
  get({ signal }: CallOptions, maxAgeMs: number = SHARED_MS): Promise<Answer<T>> {
    if (this.#last !== undefined && performance.now() - this.#last.atMs < maxAgeMs) {
      return Promise.resolve(this.#last.answer);
    }
    if (this.#asking === undefined) {
      const asking = this.#learn().finally(() => {
        this.#asking = undefined;
      });
      this.#asking = asking;
      // Whoever asked first may have gone by the time it fails.
      asking.catch(() => undefined);
    }
    return whileWanted(this.#asking, signal, 'which thread serves what');
  }

  async #learn(): Promise<Answer<T>> {
    const answer = await this.#answer();
    this.#last = { answer, atMs: performance.now() };
    return answer;
  }

  async #answer(): Promise<Answer<T>> {
    try {
      const told = await this.#ask({ signal: NEVER });
      if (Number.isNaN(this.firstToldAtMs)) this.firstToldAtMs = performance.now();
      return { told };
    } catch (error) {
      const reason = notTold(error);
      return this.#last?.answer.told === undefined ? { error: reason } : this.#last.answer;
    }
  }
}
