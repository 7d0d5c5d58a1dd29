import type { StreamAddress } from '../../host/stream.ts';
import { invalidUri, parseHostPortUri, TLS_PARAMETERS, tlsFilesOf } from '../host-port-uri.ts';

/** In messages: `"virtstat+unix:" is not the URI of a virtstatd`. */
const WHAT = 'a virtstatd';

/** Where a virtstatd is, and how to say who we are. */
export interface VirtstatAddress {
  readonly address: StreamAddress;
  /** File that has the token to show. */
  readonly tokenFile?: string;
}

/**
 * The address in a virtstatd's URI:
 *
 * | URI | peer |
 * | --- | --- |
 * | `virtstat+unix:PATH` | its socket `varlink`; the path is taken as it stands |
 * | `virtstat+tls://HOST:PORT[?ca=FILE&cert=FILE&key=FILE&token-file=FILE]` | its port, with PEM files |
 * @throws URI_INVALID
 */
export function parseVirtstatUri(uri: string): VirtstatAddress {
  const [, path] = /^virtstat\+unix:(.+)$/is.exec(uri) ?? [];
  if (path !== undefined) return { address: { kind: 'unix', path } };
  if (!/^virtstat\+tls:/i.test(uri)) {
    throw invalidUri(uri, WHAT, 'write virtstat+unix:PATH or virtstat+tls://HOST:PORT');
  }
  const takes = [...TLS_PARAMETERS, 'token-file'];
  const { host, port, parameters } = parseHostPortUri(uri, { what: WHAT, takes });
  const tokenFile = parameters.get('token-file');
  return {
    address: { kind: 'tls', host, port, ...tlsFilesOf(uri, WHAT, parameters) },
    ...(tokenFile !== undefined && { tokenFile }),
  };
}
