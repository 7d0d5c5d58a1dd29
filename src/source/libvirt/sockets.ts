/** Names of the daemons' sockets in their folder: what can only read first, a daemon of QEMU alone before one of everything. */
export const SYSTEM_SOCKETS = ['virtqemud-sock-ro', 'libvirt-sock-ro', 'virtqemud-sock', 'libvirt-sock'] as const;

/** Those through which nothing can be changed. */
export const READ_ONLY_SOCKETS: readonly string[] = SYSTEM_SOCKETS.filter((name) => name.endsWith('-ro'));

/** The same for the daemon of one user, who may do everything with it. */
export const SESSION_SOCKETS = ['virtqemud-sock', 'libvirt-sock'] as const;

/** The folder of a host's daemons. */
export const SYSTEM_FOLDER = '/run/libvirt';

/** The folder of this host's daemons: `$VIRTSTAT_LIBVIRT_DIR` where libvirt was built to have them elsewhere. */
export function systemFolder(): string {
  return process.env['VIRTSTAT_LIBVIRT_DIR'] || SYSTEM_FOLDER;
}
