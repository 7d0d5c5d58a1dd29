import type { StreamAddress } from '../../host/stream.ts';
import { invalidUri, parseHostPortUri, TLS_PARAMETERS, tlsFilesOf } from '../host-port-uri.ts';

/** In messages: `"qmp+unix:" is not the URI of a monitor`. */
const WHAT = 'a monitor';

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
  if (scheme === undefined || rest === undefined) {
    throw invalidUri(uri, WHAT, 'it must begin with qmp+unix:, qmp+tcp: or qmp+tls:');
  }
  const kind = scheme.toLowerCase();
  if (kind === 'unix') {
    if (rest === '') throw invalidUri(uri, WHAT, 'the path of the socket is missing');
    return { kind, path: rest };
  }
  const takes = kind === 'tls' ? TLS_PARAMETERS : [];
  const { host, port, parameters } = parseHostPortUri(uri, { what: WHAT, takes });
  if (kind === 'tls') return { kind, host, port, ...tlsFilesOf(uri, WHAT, parameters) };
  return { kind: 'tcp', host, port };
}
