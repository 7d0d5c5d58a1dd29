import type { HostPort } from '../../host/tcp-listening.ts';
import type { TlsServerFiles } from '../../host/tls-material.ts';
import type { PushConfig } from './push-config.ts';

/** What the daemon is to do: the configuration, checked and in units. `schema.ts` says how people write it. */
export interface Config {
  /** URIs of the sources. */
  readonly connect: readonly string[];
  /** How long one domain may take to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** From one search for domains to the next, in milliseconds. */
  readonly discoveryIntervalMs: number;
  readonly runtimeDir: string;
  /** Which faces listen. */
  readonly faces: readonly FaceName[];
  /** How old values may be that the QMP face gives, in milliseconds. */
  readonly qmpMaxAgeMs: number;
  /** How old values may be that the libvirt face gives, in milliseconds. */
  readonly libvirtMaxAgeMs: number;
  readonly socket: SocketConfig;
  /** Where to listen for TLS; empty: nowhere, unless the service manager passes a socket on. */
  readonly tlsAddresses: readonly HostPort[];
  /** Absent: no TLS. */
  readonly tlsFiles?: TlsServerFiles;
  readonly web: WebConfig;
  readonly metrics: MetricsConfig;
  readonly logLevel: LogLevel;
  readonly access: readonly AccessRule[];
  /** The first rule that names a domain holds. */
  readonly balloon: readonly BalloonRule[];
  /** Where files lie that are to outlive the daemon. */
  readonly stateDir: string;
  readonly pushes: readonly PushConfig[];
  readonly record: readonly RecordRule[];
}

/** Records stats of every domain into a directory. */
export interface RecordRule {
  /** `[PROVIDER:][TARGET/]NAME` each, with `*` for all names. */
  readonly stats: readonly string[];
  readonly everyMs: number;
  readonly directory: string;
  /** Older segments go; absent: none for its age. */
  readonly ageMs?: number;
  /** The oldest segments above this go; absent: none for its size. */
  readonly sizeBytes?: number;
}

/** Has the guests of domains asked for their memory statistics. */
export interface BalloonRule {
  /** Names, uuids, or patterns with `*` and `?`. */
  readonly domains: readonly string[];
  /** How often, in whole seconds. */
  readonly intervalSeconds: number;
}

/** How the HTTP face listens. */
export interface WebConfig {
  /** An empty host is every address. */
  readonly addresses: readonly HostPort[];
  /** True: nobody chose them. */
  readonly isDefaultAddress: boolean;
  readonly telemetryPath: string;
  /** TLS, users and headers, in the form of exporter-toolkit. */
  readonly configFile?: string;
  /** True: only the service manager's socket will do. */
  readonly requiresSocket: boolean;
}

/** What the HTTP face shows as metrics. */
export interface MetricsConfig {
  readonly profile: ProfileName;
  /** Absent: all families. */
  readonly allow?: readonly string[];
  readonly deny: readonly string[];
  readonly maxSeries: number;
  readonly maxAgeMs: number;
}

/** The profiles that there are. */
export const PROFILE_NAMES = ['curated', 'full', 'libvirt'] as const;

/** The name of a profile. */
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** Where metrics are to be had over HTTP unless somebody says otherwise. */
export const DEFAULT_WEB_ADDRESS = '127.0.0.1:16516';

/** How the sockets in the runtime directory are to be, and how many connect to each. */
export interface SocketConfig {
  /** Permission bits. */
  readonly mode: number;
  /** Absent: the daemon's own. */
  readonly uid?: number;
  readonly gid?: number;
  /** Most connections to one of them. */
  readonly maxConnections: number;
  /** Most of those that one user has. */
  readonly maxConnectionsPerPeer: number;
}

/** The faces that there are. */
export const FACE_NAMES = ['qmp', 'libvirt', 'varlink', 'http'] as const;

/** The name of a face. */
export type FaceName = (typeof FACE_NAMES)[number];

/** The levels of the log, the quietest last. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** A level of the log. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Gives domains and providers to callers: any caller that one of the four lists names. */
export interface AccessRule {
  /** Uids; `*` is everybody who may connect to the socket. */
  readonly users: readonly (number | '*')[];
  /** Gids. */
  readonly groups: readonly number[];
  /** Common names, or `sha256:` and the fingerprint. */
  readonly certificates: readonly string[];
  /** `sha256:` and the token's SHA-256, so that the file keeps no secret. */
  readonly tokens: readonly string[];
  /** Users of the web configuration file; `*` is each of them. */
  readonly webUsers?: readonly string[];
  /** True: also who reaches a port of HTTP and shows nothing. */
  readonly anonymous?: boolean;
  /** Names, uuids, or patterns with `*` and `?`. */
  readonly domains: readonly string[];
  /** Names, or `*`. */
  readonly providers: readonly string[];
}

/** Finds the ids of names that stand in a configuration. */
export interface Accounts {
  /** Undefined where there is no user of that name. */
  userId(name: string): number | undefined;
  /** Undefined where there is no group of that name. */
  groupId(name: string): number | undefined;
}
