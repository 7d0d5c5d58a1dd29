import type { TlsFiles } from '../host/stream.ts';
import { VirtstatError } from '../model/errors.ts';

/** What is in a URI of the form `SCHEME://HOST:PORT[?NAME=VALUE&…]`. */
export interface HostPortUri {
  /** Of an IPv6 address without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  readonly parameters: ReadonlyMap<string, string>;
}

/** What a scheme is for, and what it takes. */
export interface HostPortForm {
  /** What the URI is of, for messages: `a monitor`. */
  readonly what: string;
  /** Names of the parameters. */
  readonly takes: readonly string[];
}

/** Parameters of an address behind TLS, with PEM files: `ca`, `cert`, `key`. */
export const TLS_PARAMETERS: readonly string[] = ['ca', 'cert', 'key'];

/** @throws URI_INVALID */
export function parseHostPortUri(uri: string, { what, takes }: HostPortForm): HostPortUri {
  const scheme = uri.slice(0, uri.indexOf(':')).toLowerCase();
  const url = parseUrl(uri, what);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port);
  if (host === '' || port < 1) throw invalidUri(uri, what, `it must have the form ${scheme}://HOST:PORT`);
  if (url.username !== '' || url.password !== '' || !['', '/'].includes(url.pathname) || url.hash !== '') {
    const more = takes.length > 0 ? ' and ?parameters' : '';
    throw invalidUri(uri, what, `it must have nothing but HOST:PORT${more}`);
  }
  for (const name of url.searchParams.keys()) {
    if (takes.includes(name)) continue;
    const right = takes.length > 0 ? `${takes.join(', ')}, not ${name}` : 'no parameters';
    throw invalidUri(uri, what, `${scheme} takes ${right}`);
  }
  return { host, port, parameters: new Map(url.searchParams) };
}

/** The files that {@link TLS_PARAMETERS} name. @throws URI_INVALID where one of cert and key is missing */
export function tlsFilesOf(uri: string, what: string, parameters: ReadonlyMap<string, string>): TlsFiles {
  const [caFile, certFile, keyFile] = TLS_PARAMETERS.map((name) => parameters.get(name));
  if ((certFile === undefined) !== (keyFile === undefined)) throw invalidUri(uri, what, 'cert and key go together');
  return {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
  };
}

/** Says what is wrong with a URI. Its parameters are not repeated: somebody may have written a secret there. */
export function invalidUri(uri: string, what: string, why: string): VirtstatError {
  const shown = uri.replace(/(?<=^[^?]*:\/\/[^?]*)\?.*$/s, '?…');
  return new VirtstatError('URI_INVALID', `${JSON.stringify(shown)} is not the URI of ${what}: ${why}`);
}

function parseUrl(uri: string, what: string): URL {
  if (!/^[^:]+:\/\//.test(uri)) throw invalidUri(uri, what, 'the two slashes before the host are missing');
  try {
    return new URL(uri);
  } catch {
    throw invalidUri(uri, what, 'host or port cannot be understood');
  }
}
