import type { Config } from './config.ts';

/** What the parts of a configuration are called where people write them: a key, or a table of keys. */
const NAMES: Readonly<Record<keyof Config, string>> = {
  connect: 'connect',
  timeoutMs: 'timeout',
  discoveryIntervalMs: 'discovery-interval',
  runtimeDir: 'runtime-dir',
  faces: 'faces',
  qmpMaxAgeMs: 'qmp.max-age',
  libvirtMaxAgeMs: 'libvirt.max-age',
  socket: 'socket',
  tlsAddresses: 'tls.listen-address',
  tlsFiles: 'tls.cert-file',
  web: 'web',
  metrics: 'metrics',
  logLevel: 'log.level',
  access: 'access',
  balloon: 'balloon',
  stateDir: 'state-dir',
  pushes: 'otlp, remote-write',
  record: 'record',
};

/** What a part of a configuration is called in its file, for the log. */
export function settingName(key: keyof Config): string {
  return NAMES[key];
}
