import { dirname } from 'node:path';
import { VirtstatError } from '../../model/errors.ts';
import { systemFolder } from './sockets.ts';

/** How a libvirt daemon is reached. */
export type LibvirtTransport =
  | { readonly kind: 'unix'; readonly socket?: string; readonly mode: 'auto' | 'direct' | 'legacy' }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number; readonly pkiPath?: string }
  | SshTransport;

/** How a libvirt daemon is reached through ssh. */
export interface SshTransport {
  readonly kind: 'ssh';
  readonly host: string;
  /** ssh's own if absent. */
  readonly port?: number;
  readonly user?: string;
  /** The private key; ssh's own choice if absent. */
  readonly keyFile?: string;
  /** The program on this host. */
  readonly command: string;
  /** Whether ssh may ask nobody. */
  readonly noTty: boolean;
  /** The program on the other host that talks to the socket, where it is not virt-ssh-helper. */
  readonly netcat: string;
  readonly proxy: 'auto' | 'netcat' | 'native';
  /** The socket on the other host; those of libvirt's daemons if absent. */
  readonly socket?: string;
}

/** What the URI of a libvirt connection says. */
export interface LibvirtUri {
  readonly transport: LibvirtTransport;
  /** What the daemon is asked to open: the URI without transport, host and parameters. */
  readonly name: string;
  /** Whether it is the daemon of one user, not that of the host. */
  readonly isSession: boolean;
  /** Who we are, where ssh or SASL asks. */
  readonly user?: string;
  /** File that has credentials for SASL; by libvirt's rules if absent. */
  readonly authFile?: string;
}

const TCP_PORT = 16509;
const TLS_PORT = 16514;

/** Parameters that each transport takes, by libvirt's names. */
const PARAMETERS: Readonly<Record<LibvirtTransport['kind'], readonly string[]>> = {
  unix: ['socket', 'mode'],
  tcp: [],
  tls: ['pkipath', 'no_verify'],
  ssh: ['socket', 'netcat', 'proxy', 'keyfile', 'command', 'no_tty', 'no_verify'],
};

/** Whether a URI is one of a libvirt connection to QEMU. */
export function isLibvirtUri(uri: string): boolean {
  return /^qemu(\+[^:]*)?:/i.test(uri);
}

/** Whether it is the daemon of this host as a whole that a URI means, which the source `local:` asks of its VMs, too. */
export function isDaemonOfThisHost({ transport, isSession }: LibvirtUri): boolean {
  if (transport.kind !== 'unix' || isSession) return false;
  return transport.socket === undefined || dirname(transport.socket) === systemFolder();
}

/**
 * Reads the URI of a libvirt connection, with libvirt's own forms and parameters:
 *
 * | URI | daemon |
 * | --- | --- |
 * | `qemu:///system`, `qemu:///session` | that of this host, of this user |
 * | `qemu+unix:///system?socket=PATH` | the one behind a socket; `mode=direct` takes only virtqemud, `mode=legacy` only libvirtd |
 * | `qemu+tcp://HOST[:PORT]/system` | without encryption |
 * | `qemu+tls://[USER@]HOST[:PORT]/system?pkipath=DIR` | behind TLS; `qemu://HOST/system` is the same |
 * | `qemu+ssh://[USER@]HOST[:PORT]/system` | through ssh; `socket`, `netcat`, `proxy`, `keyfile`, `command`, `no_tty` |
 *
 * `name=URI` on any of them is what the daemon is asked to open, `authfile=PATH` the file of credentials that is read where it wants
 * to know who we are. `no_verify` is refused: who the other side is, is always checked.
 * @throws URI_INVALID, URI_UNSUPPORTED for a transport that there is not
 */
export function parseLibvirtUri(uri: string): LibvirtUri {
  const [, transportName] = /^qemu(?:\+([^:]*))?:/i.exec(uri) ?? [];
  const url = parseUrl(uri);
  const host = decoded(url.hostname.replace(/^\[(.*)\]$/, '$1'));
  const kind = kindOf(uri, transportName?.toLowerCase() ?? (host === '' ? 'unix' : 'tls'));
  if (url.pathname !== '/system' && url.pathname !== '/session')
    throw invalid(uri, 'its path must be /system or /session');
  if (url.password !== '' || url.hash !== '') throw invalid(uri, 'it must have neither a password nor a #');
  if ((host === '') !== (kind === 'unix')) {
    throw invalid(uri, kind === 'unix' ? 'a unix socket is on no other host' : 'it has no host');
  }
  if (/^-|[\s'"\\]/.test(host)) throw invalid(uri, `${JSON.stringify(host)} is no host`);
  const parameters = parametersOf(uri, kind, url);
  const user = url.username === '' ? undefined : decoded(url.username);
  const authFile = parameters.get('authfile');
  const place = { host, ...(url.port !== '' && { port: portOf(uri, url.port) }) };
  return {
    transport: transportOf(uri, kind, place, user, parameters),
    name: parameters.get('name') ?? `qemu://${url.pathname}`,
    isSession: url.pathname === '/session',
    ...(user !== undefined && { user }),
    ...(authFile !== null && { authFile }),
  };
}

function transportOf(
  uri: string,
  kind: LibvirtTransport['kind'],
  place: { readonly host: string; readonly port?: number },
  user: string | undefined,
  parameters: URLSearchParams,
): LibvirtTransport {
  const socket = parameters.get('socket') ?? undefined;
  if (socket !== undefined && !socket.startsWith('/')) throw invalid(uri, 'its socket must be an absolute path');
  if (kind === 'unix') {
    if (user !== undefined) throw invalid(uri, 'a unix socket wants no user');
    const mode = choice(uri, parameters, 'mode', ['auto', 'direct', 'legacy'] as const);
    return { kind, mode, ...(socket !== undefined && { socket }) };
  }
  if (kind === 'tcp') return { kind, port: TCP_PORT, ...place };
  const pkiPath = parameters.get('pkipath');
  if (kind === 'tls') return { kind, port: TLS_PORT, ...place, ...(pkiPath !== null && { pkiPath }) };
  const keyFile = parameters.get('keyfile');
  const netcat = parameters.get('netcat');
  // The helper chooses a socket by itself.
  const usual = socket === undefined && netcat === null ? 'auto' : 'netcat';
  return {
    kind,
    ...place,
    ...(user !== undefined && { user }),
    ...(keyFile !== null && { keyFile }),
    command: parameters.get('command') ?? 'ssh',
    noTty: !['', '0'].includes(parameters.get('no_tty') ?? ''),
    netcat: netcat ?? 'nc',
    proxy: parameters.has('proxy') ? choice(uri, parameters, 'proxy', ['auto', 'netcat', 'native'] as const) : usual,
    ...(socket !== undefined && { socket }),
  };
}

function kindOf(uri: string, name: string): LibvirtTransport['kind'] {
  if (Object.hasOwn(PARAMETERS, name)) return name as LibvirtTransport['kind'];
  const known = Object.keys(PARAMETERS).join(', ');
  throw new VirtstatError(
    'URI_UNSUPPORTED',
    `${uri}: there is no transport ${JSON.stringify(name)}; there are ${known}`,
  );
}

function parseUrl(uri: string): URL {
  if (!/^[^:]+:\/\//.test(uri)) throw invalid(uri, 'it must have the form qemu[+TRANSPORT]://[HOST]/system');
  try {
    return new URL(uri);
  } catch {
    throw invalid(uri, 'host or port cannot be understood');
  }
}

/** In a libvirt URI a plus sign is one. */
function parametersOf(uri: string, kind: LibvirtTransport['kind'], url: URL): URLSearchParams {
  const parameters = new URLSearchParams(url.search.replaceAll('+', '%2B'));
  const known = ['name', 'authfile', ...PARAMETERS[kind]];
  for (const [name, value] of parameters) {
    if (!known.includes(name)) throw invalid(uri, `qemu+${kind} takes ${known.join(', ')}, not ${name}`);
    if (name === 'no_verify' && value !== '0') {
      throw invalid(uri, 'no_verify is refused: who the other side is, is always checked; leave it out');
    }
    if (value === '') throw invalid(uri, `its parameter ${name} is empty`);
  }
  return parameters;
}

function choice<T extends string>(
  uri: string,
  parameters: URLSearchParams,
  name: string,
  words: readonly [T, ...T[]],
): T {
  const given = parameters.get(name) ?? words[0];
  const known = words.find((word) => word === given);
  if (known === undefined) throw invalid(uri, `its ${name} is one of ${words.join(', ')}`);
  return known;
}

function portOf(uri: string, text: string): number {
  const port = Number(text);
  if (port < 1) throw invalid(uri, 'its port must be 1 to 65535');
  return port;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(uri: string, why: string): VirtstatError {
  return new VirtstatError('URI_INVALID', `${JSON.stringify(uri)} is not the URI of a libvirt connection: ${why}`);
}
