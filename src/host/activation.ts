import { VirtstatError } from '../model/errors.ts';
import { socketOption } from './syscalls.ts';

/** The first descriptor that systemd passes on (SD_LISTEN_FDS_START of sd_listen_fds(3)). */
const FIRST_FD = 3;

/** Most sockets that are taken over. */
export const MAX_ACTIVATED_SOCKETS = 64;

/** What systemd calls a socket whose unit has no FileDescriptorName=. */
const UNNAMED = 'unknown';

/**
 * The listening sockets that the service manager passed on (sd_listen_fds(3)), by name; none where it passed none, or meant
 * another process. The variables are taken out of `env`, so that no child takes them for its own.
 *
 * | variable | says |
 * | --- | --- |
 * | LISTEN_PID | for which process |
 * | LISTEN_FDS | how many, from descriptor 3 on |
 * | LISTEN_FDNAMES | their names, separated by colons |
 *
 * @throws USAGE where the variables contradict themselves
 */
export function takeActivatedSockets(env: NodeJS.ProcessEnv, pid: number): ReadonlyMap<string, number> {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']) delete env[name];
  if (LISTEN_PID === undefined || LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return new Map();
  const count = /^\d{1,4}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : Number.NaN;
  if (!(count <= MAX_ACTIVATED_SOCKETS)) {
    throw new VirtstatError('USAGE', `LISTEN_FDS is ${LISTEN_FDS}; it must be 0 to ${MAX_ACTIVATED_SOCKETS}`);
  }
  const names = LISTEN_FDNAMES?.split(':') ?? new Array<string>(count).fill(UNNAMED);
  if (names.length !== count && count > 0) {
    throw new VirtstatError('USAGE', `LISTEN_FDNAMES has ${names.length} names for ${count} sockets`);
  }
  const sockets = new Map<string, number>();
  for (const [index, name] of names.slice(0, count).entries()) {
    if (sockets.has(name)) {
      throw new VirtstatError(
        'USAGE',
        `two sockets were passed on as ${JSON.stringify(name)}; give each its own FileDescriptorName=`,
      );
    }
    sockets.set(name, FIRST_FD + index);
  }
  return sockets;
}

/** Options of a socket (socket(7)), each an s32. */
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const OPTION_BYTES = 4;

const SOCK_STREAM = 1;

/** AF_UNIX; AF_INET and AF_INET6. */
const DOMAINS: Readonly<Record<'unix' | 'tcp', readonly number[]>> = { unix: [1], tcp: [2, 10] };

/**
 * Refuses a descriptor that is not what a unit should pass on: a socket of streams, of this kind, that listens.
 * @throws USAGE
 */
export function requireListening(fd: number, kind: 'unix' | 'tcp'): void {
  if (
    DOMAINS[kind].includes(optionOf(fd, SO_DOMAIN)) &&
    optionOf(fd, SO_TYPE) === SOCK_STREAM &&
    optionOf(fd, SO_ACCEPTCONN) === 1
  ) {
    return;
  }
  const right = kind === 'unix' ? 'the path of a unix socket' : 'a TCP port';
  throw new VirtstatError(
    'USAGE',
    `descriptor ${fd}, which was passed on, is no listening ${kind} socket; its unit needs ListenStream= with ${right}, and Accept=no`,
  );
}

function optionOf(fd: number, option: number): number {
  try {
    const bytes = socketOption(fd, option, OPTION_BYTES);
    return bytes?.length === OPTION_BYTES ? (new Int32Array(bytes.buffer, bytes.byteOffset, 1)[0] ?? -1) : -1;
  } catch {
    return -1;
  }
}
