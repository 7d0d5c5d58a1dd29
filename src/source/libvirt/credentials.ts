import { readBounded } from '../../host/files.ts';
import { isReadable, userFolders } from '../../host/user.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import { AuthFile, MAX_AUTH_FILE_BYTES, type StoredCredentials } from '../../protocol/libvirt/auth-file.ts';
import type { SaslCredentials } from '../../protocol/libvirt/sasl-mechanism.ts';
import type { LibvirtUri } from './uri.ts';

/** The credentials of everybody on this host. */
const SYSTEM_FILE = '/etc/libvirt/auth.conf';

/** By what name libvirt's daemons go in a file of credentials, and what a host without one is called there. */
const SERVICE = 'libvirt';
const THIS_HOST = 'localhost';

/** What a program gives of itself. */
export type GivenCredentials = Partial<SaslCredentials>;

/** A daemon wants a user name and a password, and not both are known. */
export class CredentialsMissing extends VirtstatError {
  /** As it is called in a file of credentials. */
  readonly host: string;
  /** The one that is known. */
  readonly username: string | undefined;

  /** `file` is the one to write them into, `username` the one that is known. */
  constructor(host: string, file: string, username: string | undefined) {
    const what = username === undefined ? 'a user name and a password' : `the password of ${username}`;
    super(
      'LIBVIRT_AUTH_FAILED',
      `libvirt does not let us in: the daemon of ${host} wants ${what}; have [auth-libvirt-${host}] in ${file} name them`,
    );
    this.host = host;
    this.username = username;
  }
}

/**
 * Who we are to a daemon that wants to know it by SASL: as a program says, else as libvirt's file of credentials does. The file is
 * that of `$LIBVIRT_AUTH_FILE`, else of the URI's `authfile`, else `libvirt/auth.conf` in the user's folder for configuration, else
 * /etc/libvirt/auth.conf; of the last two one that may not be read is passed over.
 * @throws CredentialsMissing; LIBVIRT_AUTH_FAILED for a file that is wrong; PATH_NOT_FOUND, ACCESS_DENIED for one that was named
 */
export async function saslCredentials(
  { transport, user, authFile }: LibvirtUri,
  given: GivenCredentials,
  options: CallOptions,
): Promise<SaslCredentials> {
  const wanted = given.username ?? user;
  if (wanted !== undefined && given.password !== undefined) return { username: wanted, password: given.password };
  const host = transport.kind === 'unix' ? THIS_HOST : transport.host;
  const file = await authFilePath(authFile);
  const stored = file === undefined ? {} : await read(file, host, options);
  if (wanted !== undefined && stored.authname !== undefined && stored.authname !== wanted) {
    const both = `${file} has those of ${stored.authname} for ${host}, not of ${wanted}`;
    throw failed(`${both}: leave the user out of the URI, or out of the file`);
  }
  const username = wanted ?? stored.authname;
  const password = given.password ?? stored.password;
  if (username === undefined || password === undefined) throw new CredentialsMissing(host, file ?? ownFile(), username);
  return { username, password };
}

async function authFilePath(named: string | undefined): Promise<string | undefined> {
  const chosen = process.env['LIBVIRT_AUTH_FILE'] || named;
  if (chosen !== undefined) return chosen;
  if (await isReadable(ownFile())) return ownFile();
  return (await isReadable(SYSTEM_FILE)) ? SYSTEM_FILE : undefined;
}

function ownFile(): string {
  return `${userFolders().config}/libvirt/auth.conf`;
}

async function read(path: string, host: string, { signal }: CallOptions): Promise<StoredCredentials> {
  const content = await readBounded(path, { maxSizeBytes: MAX_AUTH_FILE_BYTES, signal }).catch((error: unknown) => {
    if (VirtstatError.is(error) && error.code === 'STATS_FILE_UNREADABLE')
      throw failed(`${path} is not readable`, error);
    throw error;
  });
  if (content === undefined) throw failed(`${path} is larger than ${MAX_AUTH_FILE_BYTES} bytes`);
  return AuthFile.parse(textOf(content.bytes, path), path).find(SERVICE, host) ?? {};
}

function textOf(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw failed(`${path} is not UTF-8`, error);
  }
}

function failed(why: string, cause?: unknown): VirtstatError {
  return new VirtstatError('LIBVIRT_AUTH_FAILED', `libvirt's credentials cannot be used: ${why}`, { cause });
}
