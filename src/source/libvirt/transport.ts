import { withDeadline } from '../../host/deadline.ts';
import { type ByteStream, type ConnectOptions, connectStream, type TlsFiles } from '../../host/stream.ts';
import { isThere, userFolders } from '../../host/user.ts';
import { VirtstatError } from '../../model/errors.ts';
import { SESSION_SOCKETS, SYSTEM_SOCKETS, systemFolder } from './sockets.ts';
import { sshCommand } from './ssh.ts';
import type { LibvirtTransport, LibvirtUri } from './uri.ts';

/** Where libvirt's clients look for the certificates of the host. */
const SYSTEM_PKI: Required<TlsFiles> = {
  caFile: '/etc/pki/CA/cacert.pem',
  certFile: '/etc/pki/libvirt/clientcert.pem',
  keyFile: '/etc/pki/libvirt/private/clientkey.pem',
};

/**
 * Connects to the daemon of a libvirt URI, as libvirt's own clients do but for reading: of the sockets of this host the
 * read-only ones first.
 * @throws what connecting raises
 */
export async function openTransport(uri: LibvirtUri, options: ConnectOptions): Promise<ByteStream> {
  const { transport } = uri;
  if (transport.kind === 'unix') return openSocket(socketsOf(transport, uri.isSession), options);
  if (transport.kind === 'tcp') return connectStream(transport, options);
  if (transport.kind === 'tls') {
    const { host, port } = transport;
    return connectStream({ kind: 'tls', host, port, ...(await tlsFiles(transport.pkiPath)) }, options);
  }
  const { spawnStream } = await import('../../host/child-stream.ts');
  const [program, ...args] = sshCommand(transport, uri.name, uri.isSession);
  return withDeadline((signal) => spawnStream(program, args, signal), { ...options, what: `starting ${program}` });
}

/** The paths of the sockets to try, in turn. */
function socketsOf(transport: LibvirtTransport & { kind: 'unix' }, isSession: boolean): readonly string[] {
  const { socket, mode } = transport;
  if (socket !== undefined) return [socket];
  const folder = isSession ? `${userFolders().runtime}/libvirt` : systemFolder();
  const names = isSession ? SESSION_SOCKETS : SYSTEM_SOCKETS;
  const isMeant = (name: string): boolean => mode === 'auto' || name.startsWith('virtqemud') === (mode === 'direct');
  return names.filter(isMeant).map((name) => `${folder}/${name}`);
}

async function openSocket(paths: readonly string[], options: ConnectOptions): Promise<ByteStream> {
  const errors: VirtstatError[] = [];
  for (const path of paths) {
    try {
      return await connectStream({ kind: 'unix', path }, options);
    } catch (error) {
      const reason = VirtstatError.from(error, 'CONNECT_FAILED', `connecting to ${path} failed`);
      if (options.signal.aborted || reason.code === 'TIMEOUT') throw reason;
      errors.push(reason);
    }
  }
  const telling = errors.find(({ code }) => code !== 'PATH_NOT_FOUND');
  if (telling !== undefined || errors.length === 1) throw telling ?? errors[0];
  throw new VirtstatError('PATH_NOT_FOUND', `no libvirt daemon is here: there is none of ${paths.join(', ')}`);
}

/** The user's own certificates where there are any, else the host's. Who we are may be nobody: the daemon decides. */
async function tlsFiles(pkiPath: string | undefined): Promise<TlsFiles> {
  const { isRoot, home } = userFolders();
  const own = pkiIn(pkiPath ?? `${home}/.pki/libvirt`);
  const isOwn = pkiPath !== undefined || (!isRoot && (await isThere(own.caFile)));
  const { caFile, certFile, keyFile } = isOwn ? own : SYSTEM_PKI;
  return { caFile, ...((await isThere(certFile)) && { certFile, keyFile }) };
}

function pkiIn(folder: string): Required<TlsFiles> {
  return {
    caFile: `${folder}/cacert.pem`,
    certFile: `${folder}/clientcert.pem`,
    keyFile: `${folder}/clientkey.pem`,
  };
}
