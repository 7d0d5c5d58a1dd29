import { VirtstatError } from '../model/errors.ts';

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
