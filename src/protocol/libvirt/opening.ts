import { VirtstatError } from '../../model/errors.ts';
import { excerpt } from '../json/json.ts';
import { LibvirtError, MAX_SAID } from './error.ts';
import { AUTH_LIST, AUTH_POLKIT, AUTH_TYPE, CONNECT_OPEN, CONNECT_READ_ONLY } from './procedures.ts';
import type { SaslCredentials } from './sasl-mechanism.ts';
import type { LibvirtSession, RemoteCallOptions } from './session.ts';

/** What a session is opened with. */
export interface OpeningOptions extends RemoteCallOptions {
  /** The hypervisor driver's URI without transport: `qemu:///system`. */
  readonly name: string;
  /** Whether nobody else can read the channel: a unix socket, TLS, ssh. SASL needs that. */
  readonly isProtected: boolean;
  /** For SASL, or where to get them: that is only called where the server wants them, and may raise an error instead. */
  readonly credentials?: SaslCredentials | (() => Promise<SaslCredentials>);
}

/**
 * Authenticates as the server wants it, and opens the hypervisor driver for reading: nothing can be changed through the
 * connection.
 * @throws LIBVIRT_AUTH_FAILED, LIBVIRT_CALL_FAILED; what {@link LibvirtSession.call} and getting credentials raise
 */
export async function openDriver(session: LibvirtSession, options: OpeningOptions): Promise<void> {
  const call = { ...(options.signal && { signal: options.signal }) };
  const wanted = await session.call(AUTH_LIST, undefined, call);
  await authenticate(session, wanted, options, call).catch((error: unknown) => {
    throw error instanceof LibvirtError ? failed(excerpt(error.errorMessage, MAX_SAID), error) : error;
  });
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
  // Only now: most daemons want nothing of it.
  const { authenticateSasl } = await import('./sasl.ts');
  await authenticateSasl(session, typeof credentials === 'function' ? await credentials() : credentials, call);
}

function failed(why: string, cause?: LibvirtError): VirtstatError {
  return new VirtstatError('LIBVIRT_AUTH_FAILED', `libvirt does not let us in: ${why}`, { cause });
}
