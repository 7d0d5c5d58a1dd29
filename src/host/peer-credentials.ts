import type { Socket } from 'node:net';
import { VirtstatError } from '../model/errors.ts';
import { socketOption } from './syscalls.ts';

/**
 * Who is at the other end of a unix socket, as the kernel noted it when they connected (socket(7)):
 *
 * | option | number | bytes |
 * | --- | --- | --- |
 * | SO_PEERCRED | 17 | s32 pid, u32 uid, u32 gid |
 * | SO_PEERGROUPS | 59 | u32 gid, as many as there are |
 */
export interface PeerCredentials {
  /** Of the process that connected; it may have exited since. 0 where it lives in a pid namespace that is not seen here. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** The supplementary groups. */
  readonly groups: readonly number[];
}

const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
const CREDENTIALS_BYTES = 12;

/** What the kernel says of a socket that is no unix socket. */
const NO_ID = 0xffff_ffff;

/** The kernel gives no process more groups than this (NGROUPS_MAX). */
const MAX_GROUPS = 65_536;

/** Most processes are in few groups; only those in more cost the whole bound. */
const USUAL_GROUPS = 64;

/**
 * The peer of an accepted unix socket.
 * @throws CLOSED where the connection has ended; INTERNAL where it is no unix socket
 */
export function peerCredentials(socket: Socket): PeerCredentials {
  // Node keeps the descriptor to itself; it is on the handle in every version so far.
  const fd = (socket as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
  if (fd < 0) throw new VirtstatError('CLOSED', 'the connection ended before its peer could be asked for');
  const option = socketOption(fd, SO_PEERCRED, CREDENTIALS_BYTES);
  if (option?.length !== CREDENTIALS_BYTES) {
    throw new VirtstatError('INTERNAL', `the kernel does not say who is at the other end of socket ${fd}`);
  }
  const [pid = 0, uid = 0, gid = 0] = words(option);
  if (uid === NO_ID) throw new VirtstatError('INTERNAL', `socket ${fd} is no unix socket: its peer has no user here`);
  return { pid, uid, gid, groups: groupsOf(fd) };
}

function groupsOf(fd: number): readonly number[] {
  const usual = option(fd, USUAL_GROUPS);
  return usual ?? option(fd, MAX_GROUPS) ?? [];
}

/** Undefined where there are more groups than that, or the kernel cannot say (before Linux 4.13): then none count. */
function option(fd: number, maxGroups: number): readonly number[] | undefined {
  try {
    const bytes = socketOption(fd, SO_PEERGROUPS, 4 * maxGroups);
    return bytes && words(bytes);
  } catch {
    return undefined;
  }
}

function words(bytes: Uint8Array): readonly number[] {
  return [...new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)];
}
