import { isIPv6 } from 'node:net';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { requireListening } from './activation.ts';

/** A host and a port to listen at. */
export interface HostPort {
  /** A name or an address; of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Something that is to listen. */
export interface Openable {
  /** Resolves when it listens; rejects with the system's error. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Has it listen at a TCP address, or at a socket that listens already; closes it again where that fails.
 * @throws ADDRESS_IN_USE, ACCESS_DENIED, CONNECT_FAILED; USAGE for a descriptor that is no listening TCP socket
 */
export async function openAt<T extends Openable>(listener: T, at: HostPort | { readonly fd: number }): Promise<T> {
  try {
    if ('fd' in at) requireListening(at.fd, 'tcp');
    await listener.open();
    return listener;
  } catch (error) {
    await listener.close();
    throw listenError(error, 'fd' in at ? `descriptor ${at.fd}` : `${at.host}:${at.port}`);
  }
}

/** What belongs to one client: its address, or of IPv6 the network of 64 bits that every host has for itself. */
export function networkOf(address: string): string {
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  const [plain = ''] = address.split('%', 1);
  if (!isIPv6(plain)) return address;
  const [head = '', tail] = plain.split('::', 2);
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const missing = tail === undefined ? 0 : 8 - (before?.length ?? 0) - (after?.length ?? 0);
  const groups = [...(before ?? []), ...new Array<string>(Math.max(0, missing)).fill('0'), ...(after ?? [])];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** What went wrong where nobody could listen, in words. */
function listenError(error: unknown, where: string): VirtstatError {
  const cause = { cause: error };
  const code = systemErrorCode(error);
  if (code === 'EADDRINUSE') {
    return new VirtstatError('ADDRESS_IN_USE', `somebody else listens at ${where} already; choose another port`, cause);
  }
  if (code === 'EACCES') {
    const hint = 'take one from 1024 on, or give the daemon CAP_NET_BIND_SERVICE';
    return new VirtstatError('ACCESS_DENIED', `the port of ${where} may not be listened at; ${hint}`, cause);
  }
  return VirtstatError.from(error, 'CONNECT_FAILED', `listening at ${where} failed`);
}
