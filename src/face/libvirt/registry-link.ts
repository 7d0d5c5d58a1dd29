import { JoinedSignal, withDeadline } from '../../host/deadline.ts';
import { cancellation, VirtstatError } from '../../model/errors.ts';
import { LibvirtError } from '../../protocol/libvirt/error.ts';
import { decodePayload } from '../../protocol/libvirt/message.ts';
import type { Procedure } from '../../protocol/libvirt/procedure.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';
import { findServed, type LibvirtService } from '../../protocol/libvirt/server.ts';
import { type CallLink, type LinkCallOptions, StatsConnection } from '../../protocol/libvirt/stats-connection.ts';
import { XdrWriter } from '../../protocol/libvirt/xdr-writer.ts';
import type { DomainAnswer } from '../../registry/answer.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Reader } from '../face.ts';
import { CallerView } from './caller-view.ts';
import { Identities } from './identities.ts';
import { libvirtService } from './service.ts';
import { Statistics } from './statistics.ts';

/** Choices of {@link connectRegistry}. */
export interface RegistryConnectionOptions {
  /** What the connection says that it is; the URIs of the registry's sources if absent. */
  readonly uri?: string;
  /** How long a call may take, in milliseconds; domains have the registry's deadline besides. */
  readonly callTimeoutMs?: number;
  /** How old values may be, in milliseconds; 0 if absent: read anew. */
  readonly maxAgeMs?: number;
  /** Hears why a source or domain gave nothing, or not all: libvirt's records have no place for it. */
  readonly onError?: (error: VirtstatError) => void;
  /** Called once, when the connection is closed. */
  readonly onClose?: () => Promise<void>;
}

/**
 * A connection whose calls a registry answers, as the daemon's libvirt socket would, without a daemon: whatever sources it
 * has, libvirt knowing of their domains or not. Values are read anew; with NOWAIT a domain that does not answer within 0.1 s
 * has its last ones, where it has some. The registry stays open when the connection is closed.
 */
export function connectRegistry(registry: Registry, options: RegistryConnectionOptions = {}): StatsConnection {
  const uri = options.uri ?? registry.sources.map((source) => source.uri).join(' ');
  return new StatsConnection(uri, new RegistryLink(uri, registry, options), options.callTimeoutMs);
}

/** Calls the procedures of the libvirt socket within this process. */
class RegistryLink implements CallLink {
  readonly #uri: string;
  readonly #service: LibvirtService;
  readonly #closing = new AbortController();
  readonly #onClose: () => Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(uri: string, registry: Registry, options: RegistryConnectionOptions) {
    const { maxAgeMs = 0, onError = () => undefined, onClose = async () => undefined } = options;
    const identities = new Identities();
    const statistics = new Statistics(registry, { maxAgeMs, patienceMs: Number.POSITIVE_INFINITY });
    const reader = wholeReader(registry, onError);
    const view = new CallerView(
      {
        ...reader,
        domains: async (read) => {
          const domains = await reader.domains(read);
          identities.retain(domains);
          statistics.retain(domains);
          return domains;
        },
      },
      identities,
      statistics,
    );
    this.#uri = uri;
    this.#service = libvirtService(view);
    this.#onClose = onClose;
  }

  async call<A, R>(procedure: Procedure<A, R>, args: A, { signal, timeoutMs }: LinkCallOptions): Promise<R> {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
    const what = `${procedure.name} of ${this.#uri}`;
    using joined = new JoinedSignal(signal, this.#closing.signal);
    const limit = { signal: joined.signal, timeoutMs, what };
    try {
      const { run } = findServed(this.#service, procedure.number);
      const given = asSent(procedure, args);
      return await withDeadline(async (limited) => (await run(given as never, { signal: limited })) as R, limit);
    } catch (error) {
      if (error instanceof LibvirtRefusal) throw new LibvirtError(procedure.name, error.error, { cause: error });
      throw this.#closing.signal.aborted ? cancellation(this.#closing.signal, what) : error;
    }
  }

  close(): Promise<void> {
    this.#closing.abort(new VirtstatError('CLOSED', `the connection to ${this.#uri} was closed`));
    this.#closed ??= this.#onClose();
    return this.#closed;
  }
}

/** What the other side of a socket would see. @throws USAGE for what cannot be sent */
function asSent<A>({ args: codec }: Procedure<A, unknown>, args: A): A {
  const writer = new XdrWriter();
  codec.encode(writer, args);
  return decodePayload(writer.take(), codec);
}

/** Reads everything. @throws the error of the first source where none could be searched */
function wholeReader(registry: Registry, onError: (error: VirtstatError) => void): Reader {
  const told = new Set<string>();
  const tell = (answers: readonly DomainAnswer<unknown>[]): void => {
    for (const { domain, errors } of answers) {
      for (const error of errors) {
        // Groups ask one question each, and a domain that is gone answers none of them.
        const key = JSON.stringify([domain.id, error.code, error.message]);
        if (!told.has(key)) onError(error);
        told.add(key);
      }
    }
  };
  return {
    domains: async (options) => {
      const present = await registry.present(options);
      const domains = present.filter(({ errors }) => errors.length === 0).map(({ domain }) => domain);
      const [error] = present.flatMap(({ errors }) => errors);
      if (domains.length === 0 && error !== undefined) throw error;
      told.clear();
      tell(present);
      return domains;
    },
    list: (options) => registry.list(options),
    schemas: (options) => registry.schemas(options),
    query: async (filter, options) => {
      const answers = await registry.query(filter, options);
      tell(answers);
      return answers;
    },
    readsAllOf: () => true,
  };
}
