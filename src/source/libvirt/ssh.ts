import { SESSION_SOCKETS, SYSTEM_FOLDER, SYSTEM_SOCKETS } from './sockets.ts';
import type { SshTransport } from './uri.ts';

/** On the other host; its shell knows whose folder it is. */
const REMOTE_SESSION_FOLDER = `"\${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/libvirt"`;

/**
 * What to run so that its standard input and output are a connection to the daemon: the user's own ssh, with what the user told
 * it about hosts and keys, which runs libvirt's helper on the other side, or a netcat that knows unix sockets.
 */
export function sshCommand(transport: SshTransport, name: string, isSession: boolean): readonly [string, ...string[]] {
  const { host, port, user, keyFile, noTty, command } = transport;
  const options = [
    ...(port === undefined ? [] : ['-p', `${port}`]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(keyFile === undefined ? [] : ['-i', keyFile]),
    ...(noTty ? ['-o', 'BatchMode=yes'] : []),
  ];
  const script = remoteScript(transport, name, isSession);
  return [command, '-T', '-e', 'none', ...options, '--', host, `sh -c ${quoted(script)}`];
}

/** A netcat that can be told to leave when its input ends must be: else the daemon keeps a client that is gone. */
function remoteScript({ netcat, proxy, socket }: SshTransport, name: string, isSession: boolean): string {
  const helper = `exec virt-ssh-helper -r ${quoted(name)}`;
  if (proxy === 'native') return helper;
  const nc = quoted(netcat);
  const sockets = socket === undefined ? remoteSockets(isSession) : quoted(socket);
  const lines = [
    ...(proxy === 'auto' ? [`if command -v virt-ssh-helper >/dev/null 2>&1; then ${helper}; fi`] : []),
    `for s in ${sockets}; do`,
    'test -S "$s" || continue',
    `if ${nc} -h 2>&1 | grep -q -e "-q"; then exec ${nc} -q 0 -U "$s"; else exec ${nc} -U "$s"; fi`,
    'done',
    `echo "no socket of libvirt is there" >&2`,
    'exit 1',
  ];
  return lines.join('\n');
}

function remoteSockets(isSession: boolean): string {
  if (isSession) return SESSION_SOCKETS.map((name) => `${REMOTE_SESSION_FOLDER}/${name}`).join(' ');
  return SYSTEM_SOCKETS.map((name) => `${SYSTEM_FOLDER}/${name}`).join(' ');
}

/** A word for a POSIX shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
