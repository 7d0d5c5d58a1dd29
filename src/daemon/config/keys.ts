import { MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER } from '../../host/connection-pool.ts';
import { DEFAULT_WEB_ADDRESS, FACE_NAMES, LOG_LEVELS, PROFILE_NAMES } from './config.ts';

/** How a value is given beside the file: one text, a list of texts, tables as the file has them, or a flag without a value. */
export type KeyForm = 'text' | 'list' | 'tables' | 'switch';

/** One key of the configuration: what flags, variables, help and the table in docs are made of. `schema.ts` checks values. */
export interface ConfigKey {
  /** `log.level`: in the file, table and key; on the command line behind two dashes. */
  readonly name: string;
  /** The same, in parts: `['log', 'level']`. */
  readonly path: readonly string[];
  /** `VIRTSTATD_LOG_LEVEL`. */
  readonly variable: string;
  readonly form: KeyForm;
  /** What stands for the value in help. */
  readonly placeholder: string;
  readonly help: string;
  /** As people write it; absent: not set, or not the same everywhere. */
  readonly default?: unknown;
  /** What the default is, where it cannot be written down. */
  readonly defaultText?: string;
  /** True: a change takes a restart. */
  readonly needsRestart: boolean;
}

/** What every variable of the daemon begins with. */
export const VARIABLE_PREFIX = 'VIRTSTATD_';

type KeyFacts = Omit<ConfigKey, 'name' | 'path' | 'variable' | 'needsRestart'> & { readonly needsRestart?: true };

const FACTS: Readonly<Record<string, KeyFacts>> = {
  connect: {
    form: 'list',
    placeholder: 'uri',
    help: 'where statistics come from',
    default: ['local:'],
    defaultText: '`$VIRTSTAT_DEFAULT_URI`, else `["local:"]`',
  },
  timeout: {
    form: 'text',
    placeholder: 'duration',
    help: 'how long one domain may take to answer, 10ms to 5m; less than readers wait',
    // Readers wait 3 s by default: they are to get the last values, and not to give up just before those come.
    default: '2s',
  },
  'discovery-interval': {
    form: 'text',
    placeholder: 'duration',
    help: 'from one search for domains to the next, 100ms to 1h',
    default: '2s',
  },
  'runtime-dir': {
    form: 'text',
    placeholder: 'dir',
    help: 'directory of the sockets',
    defaultText: '`/run/virtstat` for root, else `$XDG_RUNTIME_DIR/virtstat`',
    needsRestart: true,
  },
  faces: {
    form: 'list',
    placeholder: 'face',
    help: `which faces listen: ${FACE_NAMES.join(', ')}`,
    default: [...FACE_NAMES],
    needsRestart: true,
  },
  'qmp.max-age': {
    form: 'text',
    placeholder: 'duration',
    help: 'how old values may be that the QMP face gives, 0s (asked anew for everybody) to 1h',
    default: '1s',
    needsRestart: true,
  },
  'libvirt.max-age': {
    form: 'text',
    placeholder: 'duration',
    help: 'how old values may be that the libvirt face gives, 0s (asked anew for everybody) to 1h',
    default: '1s',
    needsRestart: true,
  },
  'socket.mode': {
    form: 'text',
    placeholder: 'mode',
    help: 'permission bits of the sockets, in octal; connecting takes the right to write',
    default: '0666',
    needsRestart: true,
  },
  'socket.user': {
    form: 'text',
    placeholder: 'user',
    help: 'owner of the sockets, a name or a number',
    defaultText: "the daemon's own user",
    needsRestart: true,
  },
  'socket.group': {
    form: 'text',
    placeholder: 'group',
    help: 'group of the sockets, a name or a number',
    defaultText: "the daemon's own group",
    needsRestart: true,
  },
  'socket.max-connections': {
    form: 'text',
    placeholder: 'count',
    help: 'most connections to one socket at once, 1 to 1000000',
    default: MAX_CONNECTIONS,
    needsRestart: true,
  },
  'socket.max-connections-per-user': {
    form: 'text',
    placeholder: 'count',
    help: 'most of them that one user has, or on TCP one address, 1 to 1000000',
    default: MAX_CONNECTIONS_PER_PEER,
    needsRestart: true,
  },
  'tls.listen-address': {
    form: 'list',
    placeholder: 'host:port',
    help: 'where the varlink face listens on TCP, behind TLS',
    default: [],
    needsRestart: true,
  },
  'tls.cert-file': {
    form: 'text',
    placeholder: 'file',
    help: "the daemon's certificate and those between it and its authority, in PEM form",
    defaultText: 'none: no TLS',
  },
  'tls.key-file': {
    form: 'text',
    placeholder: 'file',
    help: 'the key of the certificate, in PEM form',
    defaultText: 'none: no TLS',
  },
  'tls.client-ca-file': {
    form: 'text',
    placeholder: 'file',
    help: 'authorities whose certificates say who a reader is, in PEM form',
    defaultText: 'none: only tokens do',
  },
  'web.listen-address': {
    form: 'list',
    placeholder: 'host:port',
    help: 'where the http face listens; `:PORT` is every address',
    default: [DEFAULT_WEB_ADDRESS],
    needsRestart: true,
  },
  'web.telemetry-path': {
    form: 'text',
    placeholder: 'path',
    help: 'where metrics are',
    default: '/metrics',
    needsRestart: true,
  },
  'web.config.file': {
    form: 'text',
    placeholder: 'file',
    help: "TLS, users and headers of the http face, in exporter-toolkit's form",
    defaultText: 'none',
    needsRestart: true,
  },
  'web.systemd-socket': {
    form: 'switch',
    placeholder: 'switch',
    help: "listen at the service manager's socket `http` alone, and fail where there is none",
    default: false,
    needsRestart: true,
  },
  'metrics.profile': {
    form: 'text',
    placeholder: 'profile',
    help: `which metrics those get who name no profile: ${PROFILE_NAMES.join(', ')}`,
    default: 'curated',
    needsRestart: true,
  },
  'metrics.allow': {
    form: 'list',
    placeholder: 'pattern',
    help: 'names of families that are shown, of those in the profile; `*` stands for any characters',
    defaultText: 'all',
    needsRestart: true,
  },
  'metrics.deny': {
    form: 'list',
    placeholder: 'pattern',
    help: 'names of families that are not shown',
    default: [],
    needsRestart: true,
  },
  'metrics.max-series': {
    form: 'text',
    placeholder: 'count',
    help: 'most series of VMs in one scrape, 0 to 100000000; families that come last are left out, and counted',
    default: 200_000,
    needsRestart: true,
  },
  'metrics.max-age': {
    form: 'text',
    placeholder: 'duration',
    help: 'how old values may be that a scrape gives, 0s (asked anew for everybody) to 1h',
    default: '1s',
    needsRestart: true,
  },
  'log.level': {
    form: 'text',
    placeholder: 'level',
    help: `least important lines that are logged: ${LOG_LEVELS.join(', ')}`,
    default: 'info',
  },
  access: {
    form: 'tables',
    placeholder: 'rule',
    help: 'who may read what, besides root and the user of the daemon, who may read everything',
    default: [],
  },
  balloon: {
    form: 'tables',
    placeholder: 'rule',
    help: 'whose guests are asked for memory statistics, and how often',
    default: [],
  },
  'state-dir': {
    form: 'text',
    placeholder: 'dir',
    help: 'directory of what is to outlive the daemon: what waits to be pushed',
    defaultText: '`$STATE_DIRECTORY`, else `/var/lib/virtstat` for root, else `$XDG_STATE_HOME/virtstat`',
    needsRestart: true,
  },
  otlp: {
    form: 'tables',
    placeholder: 'push',
    help: 'engines that get metrics by OTLP',
    default: [],
  },
  'remote-write': {
    form: 'tables',
    placeholder: 'push',
    help: 'engines that get metrics by Prometheus remote write',
    default: [],
  },
  record: {
    form: 'tables',
    placeholder: 'rule',
    help: 'which stats are recorded, how often and into which directory',
    default: [],
  },
};

/** Every key, in the order of the documentation. */
export const CONFIG_KEYS: readonly ConfigKey[] = Object.entries(FACTS).map(([name, facts]) => ({
  needsRestart: false,
  ...facts,
  name,
  path: name.split('.'),
  variable: VARIABLE_PREFIX + name.toUpperCase().replaceAll(/[.-]/g, '_'),
}));
