import type { ConnectionLimits } from '../host/connection-pool.ts';
import type { HttpTls } from '../host/http-listener.ts';
import type { HostPort } from '../host/tcp-listening.ts';
import type { TlsMaterial } from '../host/tls-material.ts';
import type { Domain } from '../model/domain.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { MetricFamily } from '../protocol/openmetrics/family.ts';
import type { ListAnswer, SampleAnswer, SchemaAnswer } from '../registry/answer.ts';
import type { QueryOptions, ReadOptions, SchemaReadOptions } from '../registry/options.ts';

/** One protocol that others read through: it listens, and knows nobody who measures. */
export interface Face {
  /** `qmp`, `varlink`, …: in log lines, and the name of a socket that the service manager passes on. */
  readonly name: string;
  /**
   * Resolves when it listens; what was opened is closed again where that fails.
   * @throws ADDRESS_IN_USE, ACCESS_DENIED, what listening raises
   */
  listen(context: FaceContext): Promise<void>;
  /** Stops listening, ends every connection and removes its sockets. Harmless when called twice. */
  close(): Promise<void>;
}

/** What the daemon gives to a face. */
export interface FaceContext {
  /** Directory for its sockets; it is held by this process alone, so a socket that is found there is stale. */
  readonly runtimeDir: string;
  /** How its sockets are to be, and how many may connect to each of them. */
  readonly sockets: SocketRights & ConnectionLimits;
  /** The domains as they come and go. */
  readonly domains: DomainFeed;
  readonly log: FaceLog;
  /** Descriptor of a listening socket that the service manager opened for this name; undefined where there is none. */
  activated(name: string): number | undefined;
  /** TLS on TCP; absent where it is not configured. */
  readonly tls?: TlsOffer;
  /** Whether a rule names the token with this SHA-256, lower-case hex. */
  isToken(sha256: string): boolean;
  /** What the web configuration file says; absent where there is none. */
  readonly web?: WebOffer;
  /** Whether any rule is about the caller; absent: nobody needs to know. */
  isNamed?(caller: Caller): boolean;
  /** Which rules hold: another number after each change of them; absent: they never change. */
  rulesNumber?(): number;
  /** What the daemon's other rooms have to say of themselves, as metrics; absent: nothing. */
  ownFamilies?(caller: Caller): readonly MetricFamily[];
  /** What this caller may read. The rules may change while a connection is open: they are asked at every call. */
  readerFor(caller: Caller): Reader;
}

/** How HTTP is to be served, as far as the web configuration file says so. */
export interface WebSecurity {
  /** Absent: no TLS. */
  readonly tls?: HttpTls;
  /** Bcrypt hashes of passwords, by user; where there are any, nobody is answered who shows nothing. */
  readonly passwords: ReadonlyMap<string, string>;
  /** Headers that every answer has, by name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The web configuration file as it is, and as it becomes. */
export interface WebOffer {
  /** Of requests that come now. */
  readonly current: WebSecurity;
  /** Tells of what holds from then on. Returns the function that ends it. */
  subscribe(onChange: (security: WebSecurity) => void): () => void;
}

/** Mode and owner of a socket file. */
export interface SocketRights {
  /** Permission bits; connecting takes the right to write. */
  readonly mode: number;
  /** Absent: the daemon's own. */
  readonly uid?: number;
  readonly gid?: number;
}

/** Where to listen for TLS, and with what. */
export interface TlsOffer {
  readonly addresses: readonly HostPort[];
  /** Of connections that come now. */
  readonly material: TlsMaterial;
  /** Tells of other material that is to be used from then on. Returns the function that ends it. */
  subscribe(onChange: (material: TlsMaterial) => void): () => void;
}

/** The domains as they come and go. */
export interface DomainFeed {
  /** Those that are there now. */
  readonly current: readonly Domain[];
  /** Tells of every domain that is there, then of those that come and go. Returns the function that ends it. */
  subscribe(listener: DomainListener): () => void;
}

/** Who hears of domains. */
export interface DomainListener {
  onCome(domain: Domain): void;
  onGo(domain: Domain): void;
}

/** Lines for the daemon's log: what happened, and with what. */
export interface FaceLog {
  info(facts: LogFacts, message: string): void;
  warn(facts: LogFacts, message: string): void;
}

/** What a log line is about. */
export type LogFacts = Readonly<Record<string, unknown>>;

/** Who reads, as the face found out. */
export type Caller =
  /** The process at the other end of a unix socket. */
  | {
      readonly kind: 'user';
      readonly uid: number;
      readonly gid: number;
      readonly groups: readonly number[];
      readonly pid: number;
    }
  /** A client certificate that was checked against the configured authority; SHA-256 of its DER form, lower-case hex. */
  | { readonly kind: 'certificate'; readonly commonName: string; readonly sha256: string }
  /** A token that was shown; its SHA-256, lower-case hex. */
  | { readonly kind: 'token'; readonly sha256: string }
  /** A user of the web configuration file, whose password was right. */
  | { readonly kind: 'password'; readonly user: string }
  /** Anybody who reached a TCP port and showed nothing. */
  | { readonly kind: 'anonymous'; readonly address: string };

/**
 * The registry as far as one caller may see it: a domain or provider that no rule gives to them is not in any answer, and
 * is not asked for them.
 */
export interface Reader {
  /** The domains, without asking any of them. Here as everywhere: what is named and refused is logged, once. */
  domains(options?: ReadOptions): Promise<readonly Domain[]>;
  list(options?: ReadOptions): Promise<readonly ListAnswer[]>;
  schemas(options?: SchemaReadOptions): Promise<readonly SchemaAnswer[]>;
  query(filter: StatsFilter, options?: QueryOptions): Promise<readonly SampleAnswer[]>;
  /** True where the rules give everything about the domain, not only what some providers measure. */
  readsAllOf(domain: Domain): boolean;
}
