import { connectRegistry } from '../face/libvirt/registry-link.ts';
import { VirtstatError } from '../model/errors.ts';
import { DEFAULT_DEADLINE_MS } from '../model/limits.ts';
import type {
  LibvirtCallOptions,
  LibvirtDomain,
  LibvirtStatsRecord,
  StatsConnection,
} from '../protocol/libvirt/stats-connection.ts';
import { Registry } from '../registry/registry.ts';
import { LibvirtConnection } from '../source/libvirt/connection.ts';
import { findDomain } from '../source/libvirt/lookup.ts';
import { isDaemonOfThisHost, isLibvirtUri, parseLibvirtUri } from '../source/libvirt/uri.ts';
import { type OpenSourcesOptions, openSources } from '../source/open.ts';

/** Choices of {@link Connections}. */
export interface ConnectionsOptions {
  /** Of a libvirt daemon's call, or of each domain, in milliseconds; each's own if absent. */
  readonly timeoutMs?: number | undefined;
  /** Hears why somebody gave nothing, or not all, where others may have. */
  readonly onError: (error: VirtstatError) => void;
  /** What a person said of themselves. */
  readonly asked: OpenSourcesOptions;
}

/** Which groups of statistics, of which domains, and how, in libvirt's bits. */
export interface Bits {
  readonly stats: number;
  readonly flags: number;
}

/**
 * Everything that `domstats` reads: each libvirt daemon by itself, and all other sources as one. Where there are several, one
 * that fails costs the others nothing.
 */
export class Connections implements AsyncDisposable {
  readonly #onError: (error: VirtstatError) => void;
  readonly #all: readonly StatsConnection[];
  /** Whether the first of them has the VMs of this host. */
  readonly #hasLocal: boolean;
  readonly #failed = new Set<StatsConnection>();

  private constructor(all: readonly StatsConnection[], hasLocal: boolean, onError: (error: VirtstatError) => void) {
    this.#all = all;
    this.#hasLocal = hasLocal;
    this.#onError = onError;
  }

  /** Connects to nothing yet. @throws URI_INVALID, URI_UNSUPPORTED */
  static async open(uris: readonly string[], { timeoutMs, onError, asked }: ConnectionsOptions): Promise<Connections> {
    const others = uris.filter((uri) => !isLibvirtUri(uri));
    const registry = new Registry(await openSources(others), { deadlineMs: timeoutMs ?? DEFAULT_DEADLINE_MS });
    const options = timeoutMs === undefined ? {} : { callTimeoutMs: timeoutMs, openTimeoutMs: timeoutMs };
    const daemons = [...new Set(uris)].filter(isLibvirtUri).map((uri) => {
      const credentials = asked.libvirtCredentials?.(uri) ?? {};
      return new LibvirtConnection(uri, { ...options, credentials });
    });
    const own = connectRegistry(registry, { onError, onClose: () => registry.close() });
    const hasLocal = registry.sources.some(({ uri }) => uri === 'local:');
    return new Connections(others.length === 0 ? daemons : [own, ...daemons], hasLocal, onError);
  }

  /**
   * Records of all domains that fit, connection by connection; of a VM of this host's libvirt that `local:` has, too, one.
   * @throws what a call raises, where nobody gave anything
   */
  async getAll({ stats, flags }: Bits, call: LibvirtCallOptions): Promise<readonly LibvirtStatsRecord[]> {
    const read = this.#all.map(
      async (connection) =>
        (await this.#unlessAlone(connection, () => connection.getAllDomainStats(stats, flags, call))) ?? [],
    );
    const [first = [], ...others] = await Promise.all(read);
    const known = new Set(this.#hasLocal ? first.map(({ domain }) => keyOf(domain)) : []);
    return [
      ...first,
      ...others.flatMap((records, index) => {
        const isOfThisHost = this.#isOfThisHost(this.#all[index + 1]);
        return isOfThisHost ? records.filter(({ domain }) => !known.has(keyOf(domain))) : records;
      }),
    ];
  }

  /** Records of these domains, in their order. @throws what a call raises, where nobody gave anything */
  async getOf(
    domains: readonly LibvirtDomain[],
    { stats, flags }: Bits,
    call: LibvirtCallOptions,
  ): Promise<readonly LibvirtStatsRecord[]> {
    const runs = this.#runsOf(domains).map(([connection, run]) =>
      this.#unlessAlone(connection, () => connection.domainListGetStats(run, stats, flags, call)),
    );
    return (await Promise.all(runs)).flatMap((records) => records ?? []);
  }

  /** The domain that a person means, by virsh's rules, of the first connection that has one. @throws what a lookup raises */
  async find(word: string, call: LibvirtCallOptions): Promise<LibvirtDomain | undefined> {
    for (const connection of this.#all) {
      const found = await this.#unlessAlone(connection, () => findDomain(connection, word, call));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Names of all domains. @throws what listing raises */
  async names(call: LibvirtCallOptions): Promise<readonly string[]> {
    const listed = this.#all.map((connection) =>
      this.#unlessAlone(connection, () => connection.listAllDomains(0, call)),
    );
    return (await Promise.all(listed)).flatMap((domains) => domains ?? []).map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((connection) => connection.close()));
  }

  #isOfThisHost(connection: StatsConnection | undefined): boolean {
    return connection !== undefined && isDaemonOfThisHost(parseLibvirtUri(connection.uri));
  }

  /** Neighbours of one connection together, so that the order stays. */
  #runsOf(domains: readonly LibvirtDomain[]): readonly (readonly [StatsConnection, readonly LibvirtDomain[]])[] {
    const runs: [StatsConnection, LibvirtDomain[]][] = [];
    for (const domain of domains) {
      const last = runs.at(-1);
      const connection = this.#all.find((each) => domain.isOf(each));
      if (last !== undefined && last[0] === connection) last[1].push(domain);
      else if (connection !== undefined) runs.push([connection, [domain]]);
    }
    return runs;
  }

  /** One that failed is told of once, and not asked again. */
  async #unlessAlone<T>(connection: StatsConnection, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#failed.has(connection)) return undefined;
    try {
      return await work();
    } catch (error) {
      this.#failed.add(connection);
      if (this.#failed.size === this.#all.length) throw error;
      this.#onError(VirtstatError.from(error, 'INTERNAL', `reading ${connection.uri} failed`));
      return undefined;
    }
  }
}

/** Which VM it is. */
function keyOf({ name, uuid }: LibvirtDomain): string {
  return JSON.stringify([name, uuid]);
}
