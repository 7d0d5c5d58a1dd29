import { VirtstatError } from '../../model/errors.ts';
import { AUTH_LIST, AUTH_POLKIT, AUTH_TYPE, CONNECT_OPEN, CONNECT_READ_ONLY } from './procedures.ts';
import { authenticateSasl, type SaslCredentials } from './sasl.ts';
import type { LibvirtSession, RemoteCallOptions } from './session.ts';

/** What a session is opened with. */
export interface OpeningOptions extends RemoteCallOptions {
  /** The hypervisor driver's URI without transport: `qemu:///system`. */
  readonly name: string;
  /** Whether nobody else can read the channel: a unix socket, TLS, ssh. SASL needs that. */
  readonly isProtected: boolean;
  /** For SASL. */
  readonly credentials?: SaslCredentials;
}

/**
 * Authenticates as the server wants it, and opens the hypervisor driver for reading: nothing can be changed through the
 * connection.
 * @throws LIBVIRT_AUTH_FAILED, LIBVIRT_CALL_FAILED; what {@link LibvirtSession.call} raises
 */
export async function openDriver(session: LibvirtSession, options: OpeningOptions): Promise<void> {
  const call = { ...(options.signal && { signal: options.signal }) };
  await authenticate(session, await session.call(AUTH_LIST, undefined, call), options, call);
  await session.call(CONNECT_OPEN, { name: options.name, flags: CONNECT_READ_ONLY }, call);
}

async function authenticate(
  session: LibvirtSession,
  wanted: readonly number[],
  { isProtected, credentials }: OpeningOptions,
  call: RemoteCallOptions,
): Promise<void> {
  if (wanted.includes(AUTH_TYPE.none)) return;
  if (wanted.includes(AUTH_TYPE.polkit)) {
    await session.call(AUTH_POLKIT, undefined, call);
    return;
  }
  if (!wanted.includes(AUTH_TYPE.sasl)) throw failed(`virtstat knows none of the ways ${wanted.join(', ')}`);
  if (!isProtected) {
    throw failed('the server wants SASL, and over plain TCP everybody could read it; use qemu+tls:// or qemu+ssh://');
  }
  if (credentials === undefined) throw failed('the server wants SASL, and no user name and password were given');
  await authenticateSasl(session, credentials, call);
}

function failed(why: string): VirtstatError {
  return new VirtstatError('LIBVIRT_AUTH_FAILED', `authentication failed: ${why}`);
}
