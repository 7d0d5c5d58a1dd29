import type { StreamAddress } from '../../host/stream.ts';
import { VirtstatError } from '../../model/errors.ts';

/** Parameters of a TLS address, and the field of the address that each fills. */
const TLS_PARAMETERS: Readonly<Record<string, 'caFile' | 'certFile' | 'keyFile'>> = {
  ca: 'caFile',
  cert: 'certFile',
  key: 'keyFile',
};

/**
 * The address in a monitor's URI:
 *
 * | URI | peer |
 * | --- | --- |
 * | `qmp+unix:PATH` | a socket file; the path is taken as it stands |
 * | `qmp+tcp://HOST:PORT` | a TCP port |
 * | `qmp+tls://HOST:PORT[?ca=FILE&cert=FILE&key=FILE]` | the same behind TLS, with PEM files |
 * @throws URI_INVALID
 */
export function parseMonitorUri(uri: string): StreamAddress {
  const [, scheme, rest] = /^qmp\+(unix|tcp|tls):(.*)$/is.exec(uri) ?? [];
  if (scheme === undefined || rest === undefined)
    throw invalid(uri, 'it must begin with qmp+unix:, qmp+tcp: or qmp+tls:');
  const kind = scheme.toLowerCase();
  if (kind === 'unix') {
    if (rest === '') throw invalid(uri, 'the path of the socket is missing');
    return { kind, path: rest };
  }
  const url = parseUrl(uri);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port);
  if (host === '' || port < 1) throw invalid(uri, `it must have the form qmp+${kind}://HOST:PORT`);
  if (url.username !== '' || url.password !== '' || !['', '/'].includes(url.pathname) || url.hash !== '') {
    throw invalid(uri, `it must have nothing but HOST:PORT${kind === 'tls' ? ' and ?parameters' : ''}`);
  }
  if (kind === 'tls') return { kind, host, port, ...tlsFiles(uri, url.searchParams) };
  if (url.search !== '') throw invalid(uri, 'qmp+tcp takes no parameters');
  return { kind: 'tcp', host, port };
}

function parseUrl(uri: string): URL {
  if (!/^[^:]+:\/\//.test(uri)) throw invalid(uri, 'the two slashes before the host are missing');
  try {
    return new URL(uri);
  } catch {
    throw invalid(uri, 'host or port cannot be understood');
  }
}

function tlsFiles(uri: string, parameters: URLSearchParams): { caFile?: string; certFile?: string; keyFile?: string } {
  const files: { caFile?: string; certFile?: string; keyFile?: string } = {};
  for (const [name, value] of parameters) {
    const field = Object.hasOwn(TLS_PARAMETERS, name) ? TLS_PARAMETERS[name] : undefined;
    if (field === undefined) throw invalid(uri, `qmp+tls takes ca, cert and key, not ${name}`);
    files[field] = value;
  }
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) throw invalid(uri, 'cert and key go together');
  return files;
}

function invalid(uri: string, why: string): VirtstatError {
  return new VirtstatError('URI_INVALID', `${JSON.stringify(uri)} is not the URI of a monitor: ${why}`);
}
