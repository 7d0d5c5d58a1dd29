import { listenUnix, type SocketListener } from '../../host/listener.ts';
import type { ServedConnection } from '../../host/served-connection.ts';
import { makeDirectory } from '../../host/socket-directory.ts';
import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, MonitorRelay } from '../../model/provider.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import { decodeVersion, type QemuVersion, QmpCommandError } from '../../protocol/qmp/messages.ts';
import { statsWords } from '../../protocol/qmp/server/commands.ts';
import { BurstLog } from '../burst-log.ts';
import type { Caller, Face, FaceContext, Reader } from '../face.ts';
import { DomainBackend } from './backend.ts';
import { QmpClient } from './client.ts';
import { DomainStats } from './domain-stats.ts';
import { MonitorCache } from './monitor-cache.ts';
import { ReplyCache } from './reply-cache.ts';
import { SocketNames } from './socket-names.ts';

/** How old an answer may be, in milliseconds, unless it is said otherwise. */
export const DEFAULT_MAX_AGE_MS = 1000;

/**
 * Commands that measure what rules have no provider for: whoever has only some providers of a domain does not have them.
 */
const MEASURES: ReadonlySet<string> = new Set([
  'query-balloon',
  'query-blockstats',
  'query-iothreads',
  'qom-get',
  'qom-list',
]);

/** Who knows the monitors of domains: the registry. */
export interface Monitors {
  /** Undefined where the domain has none, or is not there. */
  monitorOf(id: string, options?: Partial<CallOptions>): Promise<MonitorRelay | undefined>;
}

/** Choices of a {@link QmpFace}. */
export interface QmpFaceOptions {
  readonly monitors: Monitors;
  /** {@link DEFAULT_MAX_AGE_MS} if absent; 0 asks anew for everybody, while those who ask at once still share. */
  readonly maxAgeMs?: number;
  /** How long a client that does not read is kept, in milliseconds. */
  readonly maxStallMs?: number;
}

/**
 * QMP for many: one socket for each domain that has a monitor, `qmp/<domain>.sock` in the runtime directory, on which any
 * number of clients finds what looks like QEMU's monitor and can change nothing.
 */
export class QmpFace implements Face {
  readonly name = 'qmp';
  readonly #options: QmpFaceOptions;
  readonly #names = new SocketNames();
  readonly #served = new Map<string, ServedDomain>();
  #unsubscribe: (() => void) | undefined;

  constructor(options: QmpFaceOptions) {
    this.#options = options;
  }

  /** Resolves when every domain that is there now has its socket. @throws ACCESS_DENIED, what making the folder raises */
  async listen(context: FaceContext): Promise<void> {
    const folder = `${context.runtimeDir}/${this.name}`;
    makeDirectory(folder);
    const opening: Promise<void>[] = [];
    this.#unsubscribe = context.domains.subscribe({
      onCome: (domain) => void opening.push(this.#come(domain, folder, context)),
      onGo: (domain) => this.#go(domain),
    });
    await Promise.all(opening);
  }

  async close(): Promise<void> {
    this.#unsubscribe?.();
    const served = [...this.#served.values()];
    this.#served.clear();
    await Promise.all(served.map((domain) => domain.close()));
  }

  /** A domain whose socket cannot be made costs the others nothing. */
  async #come(domain: Domain, folder: string, context: FaceContext): Promise<void> {
    const path = `${folder}/${this.#names.take(domain)}.sock`;
    const served = new ServedDomain(domain, path, context, this.#options);
    this.#served.set(domain.id, served);
    try {
      await served.open();
    } catch (error) {
      const { code, message } = VirtstatError.from(error, 'INTERNAL', `the socket of ${domain.name} cannot be made`);
      context.log.warn({ face: this.name, domain: domain.name, path, code }, message);
    }
  }

  #go(domain: Domain): void {
    const served = this.#served.get(domain.id);
    this.#served.delete(domain.id);
    this.#names.giveBack(domain);
    void served?.close();
  }
}

/** One domain's socket and its clients. */
class ServedDomain {
  readonly #domain: Domain;
  readonly #path: string;
  readonly #context: FaceContext;
  readonly #options: QmpFaceOptions;
  readonly #closing = new AbortController();
  readonly #replies = new ReplyCache();
  readonly #bursts = new BurstLog();
  #listener: SocketListener | undefined;
  #version: QemuVersion | undefined;

  constructor(domain: Domain, path: string, context: FaceContext, options: QmpFaceOptions) {
    this.#domain = domain;
    this.#path = path;
    this.#context = context;
    this.#options = options;
  }

  /** Listens, if the domain has a monitor. */
  async open(): Promise<void> {
    const monitor = await this.#options.monitors.monitorOf(this.#domain.id);
    if (monitor === undefined || this.#closing.signal.aborted) return;
    const cache = new MonitorCache(monitor, this.#maxAgeMs);
    this.#listener = await listenUnix({
      ...this.#context.sockets,
      path: this.#path,
      onConnection: (connection) => void this.#serve(connection, cache),
      onCrowded: (uid) =>
        this.#bursts.note(`crowded ${uid}`, ({ count }) =>
          this.#warn({ uid, count }, 'connections of a user were closed: there are too many'),
        ),
    });
    if (this.#closing.signal.aborted) await this.#listener.close();
  }

  async close(): Promise<void> {
    this.#closing.abort(new VirtstatError('CLOSED', `the socket of ${this.#domain.name} was closed`));
    await this.#listener?.close();
    this.#bursts.close();
  }

  get #maxAgeMs(): number {
    return this.#options.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
  }

  async #serve(connection: ServedConnection, monitor: MonitorRelay): Promise<void> {
    try {
      const reader = this.#context.readerFor(callerOf(connection));
      const call = { signal: this.#closing.signal };
      // To whom no rule gives the domain, it does not exist: there is no greeting to tell them more.
      await this.#mayRead(reader, call);
      const version = await this.#versionOf(monitor, call);
      const stats = new DomainStats(this.#domain, reader, statsWords(version), this.#maxAgeMs);
      const guarded: MonitorRelay = {
        ask: async (question, args, options) => {
          await this.#mayRead(reader, options);
          if (MEASURES.has(question) && !reader.readsAllOf(this.#domain)) throw doesNotExist(question);
          return monitor.ask(question, args, options);
        },
      };
      new QmpClient(connection, {
        backend: new DomainBackend(version, stats, guarded, this.#replies),
        ...(this.#options.maxStallMs !== undefined && { maxStallMs: this.#options.maxStallMs }),
        onDropped: (unreadBytes) => {
          const { pid, uid } = connection.peer;
          this.#bursts.note(`dropped ${uid}`, ({ count }) =>
            this.#warn({ pid, uid, unreadBytes, count }, 'a client was dropped: it does not read'),
          );
        },
      });
    } catch (error) {
      connection.close();
      const { code, message } = VirtstatError.from(error, 'INTERNAL', 'a client could not be served');
      if (code !== 'CLOSED' && code !== 'DOMAIN_GONE') this.#warn({ code }, message);
    }
  }

  /** The rules may have changed since the last time. @throws DOMAIN_GONE */
  async #mayRead(reader: Reader, options: CallOptions): Promise<void> {
    const domains = await reader.domains({ ...options, domains: [this.#domain.uuid ?? this.#domain.name] });
    if (domains.some(({ id }) => id === this.#domain.id)) return;
    throw new VirtstatError('DOMAIN_GONE', `${this.#domain.name} is no longer there`);
  }

  /** It stays the same while the VM lives: clients are greeted also when the VM does not answer any more. */
  async #versionOf(monitor: MonitorRelay, options: CallOptions): Promise<QemuVersion> {
    if (this.#version === undefined) {
      const json = (await monitor.ask('query-version', undefined, options)) as JsonValue;
      this.#version = decodeVersion(json, 'query-version');
    }
    return this.#version;
  }

  #warn(facts: Readonly<Record<string, unknown>>, message: string): void {
    this.#context.log.warn({ face: 'qmp', domain: this.#domain.name, path: this.#path, ...facts }, message);
  }
}

function callerOf({ peer }: ServedConnection): Caller {
  return { kind: 'user', ...peer };
}

/** As QEMU answers a command that it does not know. */
function doesNotExist(command: string): QmpCommandError {
  return new QmpCommandError(command, 'CommandNotFound', `The command ${command} has not been found`);
}
